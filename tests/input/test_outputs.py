"""`out=`: results that go to the caller's arrays, by the interpreter, the CPU with Python's checks and native ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, f64, i8, i32, i64, u8
from gemel.codegen.runtime import WARM

M, N = gm.dims("M N")


@gm.kernel
def scaled(a: f32[M, N], k: f32) -> f32[M, N]:
    return a * k


@gm.kernel
def several(a: i32[N]) -> tuple[i32[N], i64, i32[N, 2]]:
    b = gm.zeros((N, 2), i32)
    for i in range(N):
        b[i, 1] = a[i]
    return a, gm.cast(gm.sum(a), i64), b


@gm.kernel
def sparse(a: i32[4]) -> i32[8]:
    b = gm.zeros((8,), i32)
    for i in range(4):
        if a[i] > 0:
            b[2 * i] = a[i]
    return b


@gm.kernel
def swapped(a: i32[2]) -> i32[2]:
    b = gm.zeros((2,), i32)
    b[0] = a[1]
    b[1] = a[0]
    return b


@gm.kernel
def wide(a: gm.Int(100)[2]) -> gm.Int(101)[2]:
    return a + a


@gm.kernel
def named(a: i32[2], out: i32[2]) -> i32[2]:
    for i in range(2):
        out[i] = a[i]
    return gm.cast(a + a, i32)


@gm.kernel
def checked(a: u8[4], i: i64) -> u8[4]:
    b = gm.zeros((4,), u8)
    b[0] = a[i]
    return b


@gm.kernel
def nothing(a: i8[2]):
    a[0] = 1


def interpreted(k: gm.Kernel, /, *args: Any, **named: Any) -> Any:
    return k.interpret(*args, **named)


def called(k: gm.Kernel, /, *args: Any, **named: Any) -> Any:
    return k.specialize()(*args, **named)


WARMED: dict[Any, gm.Kernel] = {}


def native(k: gm.Kernel, /, *args: Any, **named: Any) -> Any:
    """The kernel warm for sizes like these; the calls that warm it change arrays of their own."""
    if k not in WARMED:
        WARMED[k] = k.specialize()
        parameters = {p.hint: named[p.hint] for p in k.ir.params if p.hint in named}
        for _ in range(WARM + 2):
            WARMED[k](*map(fresh, args), **{n: fresh(x) for n, x in parameters.items()})
    return WARMED[k](*args, **named)


def fresh(x: Any) -> Any:
    return np.ones_like(x) if isinstance(x, np.ndarray) else x


@pytest.fixture(params=[interpreted, called, native], ids=lambda f: f.__name__)
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


def floats() -> np.ndarray:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def test_the_array_is_filled_and_returned(way: Callable[..., Any]) -> None:
    out = np.full((2, 3), np.nan, np.float32)
    assert way(scaled, floats(), 2.0, out=out) is out
    assert out.tolist() == (floats() * 2).tolist()
    one = np.zeros((2, 3), np.float32)
    assert way(scaled, floats(), 2.0, out=(one,)) is one and one.tolist() == out.tolist()
    assert way(scaled, floats(), 2.0, out=None).tolist() == out.tolist()
    named = np.empty((2, 3), np.float32)
    assert way(scaled, a=floats(), k=2.0, out=named) is named and named.tolist() == out.tolist()


def test_elements_that_are_not_stored_to_are_as_in_a_new_array(way: Callable[..., Any]) -> None:
    out = np.full(8, 99, np.int32)
    assert way(sparse, np.array([1, -1, 0, 4], np.int32), out=out) is out
    assert out.tolist() == [1, 0, 0, 0, 0, 0, 4, 0]


def test_a_tuple_for_several_results(way: Callable[..., Any]) -> None:
    a = np.array([1, 2, 3], np.int32)
    first, total, pairs = np.zeros(3, np.int32), np.zeros((), np.int64), np.full((3, 2), 9, np.int32)
    found = way(several, a, out=(first, total, pairs))
    assert found[0] is first and found[1] is total and found[2] is pairs
    assert (first.tolist(), int(total), pairs.tolist()) == ([1, 2, 3], 6, [[0, 1], [0, 2], [0, 3]])
    found = way(several, a, out=(None, None, pairs))
    assert found[2] is pairs and found[0].tolist() == [1, 2, 3] and found[1] == 6


@pytest.mark.parametrize("way", [interpreted, called])
def test_integers_of_more_than_64_bits(way: Callable[..., Any]) -> None:
    out = np.array([0, 0], object)
    assert way(wide, np.array([1 << 90, -1], object), out=out) is out
    assert out.tolist() == [1 << 91, -2]


def test_a_parameter_of_that_name_goes_first(way: Callable[..., Any]) -> None:
    out = np.zeros(2, np.int32)
    assert way(named, np.array([3, 4], np.int32), out=out).tolist() == [6, 8]
    assert out.tolist() == [3, 4]


def frozen(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


BAD = {
    "element type": (np.zeros((2, 3)), "A02"),
    "rank": (np.zeros(6, np.float32), "S01"),
    "shape": (np.zeros((3, 2), np.float32), "S02"),
    "layout": (np.zeros((3, 2), np.float32).T, "A07"),
    "read-only": (frozen(np.zeros((2, 3), np.float32)), "A03"),
    "list": ([[0.0] * 3] * 2, "A06"),
    "masked": (np.ma.masked_array(floats()), "A06"),
    "scalar": (np.float32(1), "A06"),
    "too many": ((floats(), floats()), "A01"),
    "too few": ((), "A01"),
}


@pytest.mark.parametrize("name", BAD)
def test_arrays_that_are_refused(way: Callable[..., Any], name: str) -> None:
    out, code = BAD[name]
    with pytest.raises(gm.errors.GemelError, match=code) as raised:
        way(scaled, floats(), 2.0, out=out)
    assert "out" in str(raised.value) and raised.value.mend


def test_overlaps_are_refused(way: Callable[..., Any]) -> None:
    a, raw = np.array([1, 2], np.int32), np.zeros(5, np.int32)
    for given, out in ((a, a), (raw[:2], raw[1:3]), (raw[1:3], raw[:2])):
        with pytest.raises(gm.errors.ArgumentError, match="A04"):
            way(swapped, given, out=out)
    assert way(swapped, raw[:2], out=raw[2:4]).base is raw
    three = np.array([1, 2, 3], np.int32)
    both = np.zeros((6, 2), np.int32)
    with pytest.raises(gm.errors.ArgumentError, match="A04"):
        way(several, three, out=(both[:3].reshape(-1)[:3], None, both[:3]))
    assert a.tolist() == [1, 2] and not both.any()


def test_where_there_is_nothing_to_give(way: Callable[..., Any]) -> None:
    with pytest.raises(gm.errors.ArgumentError, match="no result"):
        way(nothing, np.zeros(2, np.int8), out=np.zeros(2, np.int8))


def test_a_run_that_fails(way: Callable[..., Any]) -> None:
    out = np.full(4, 7, np.uint8)
    with pytest.raises(gm.errors.BoundsError):
        way(checked, np.zeros(4, np.uint8), 4, out=out)
    assert way(checked, np.full(4, 5, np.uint8), 3, out=out) is out and out.tolist() == [5, 0, 0, 0]


def test_kernels_from_text_and_compiled_ones() -> None:
    out = np.zeros((2, 3), np.float32)
    assert gm.parse(str(scaled.ir))(floats(), 2.0, out=out) is out
    assert out.tolist() == (floats() * 2).tolist()
    with pytest.raises(gm.errors.ArgumentError, match="A01"):
        gm.parse(str(scaled.ir))(floats(), k=2.0)
    compiled = scaled.compile(M=2, N=3)
    for _ in range(WARM + 3):
        out[:] = 0
        assert compiled(floats(), 2.0, out=out) is out
        assert out.tolist() == (floats() * 2).tolist()


def test_a_call_in_a_kernel_has_no_out() -> None:
    @gm.kernel
    def outer(a: f64[3]) -> f64[3]:
        b = gm.zeros((3,), f64)
        inner(a, out=b)
        return b

    with pytest.raises(gm.errors.ArgumentError, match="A01") as raised:
        outer(np.ones(3))
    assert "inner" in raised.value.mend


@gm.kernel
def inner(a: f64[3]) -> f64[3]:
    return a + a
