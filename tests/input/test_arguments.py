"""Hostile arguments: each gives the right result or an error that names the argument, by every way to run a kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import bool_, f32, f64, i8, i32, i64, u8, u64

M, N = gm.dims("M N")


@gm.kernel
def scale(a: i32[M, N], k: i32) -> i32[M, N]:
    b = gm.zeros((M, N), i32)
    for i, j in gm.grid(M, N):
        b[i, j] = a[i, j] * k
    return b


@gm.kernel
def into(a: i32[4], b: i32[4]):
    for i in range(4):
        b[i] = a[i] + 1


@gm.kernel
def kinds(p: bool_, x: f32, n: i8, m: u64) -> f64:
    return gm.cast(x, f64) if p else gm.cast(n, f64) + gm.cast(m, f64)


def checked(k: gm.Kernel, *args: Any) -> Any:
    """The CPU with arguments checked by Python."""
    return k(*args)


@cache
def entry(k: gm.Kernel) -> Callable[..., Any]:
    """A kernel's native entry."""
    compiled = k.compile(**({"M": 2, "N": 3} if k is scale else {}))
    return compiled.entry(compiled._checked)


def native(k: gm.Kernel, *args: Any) -> Any:
    """The CPU with arguments checked by native code, which passes on what it can't take."""
    return entry(k)(*args)


def interpreted(k: gm.Kernel, *args: Any) -> Any:
    """The reference interpreter."""
    return k.interpret(*args)


def simulated(k: gm.Kernel, *args: Any) -> Any:
    """The RTL."""
    return design(k).simulate(*args).outputs


@cache
def design(k: gm.Kernel) -> Any:
    """A kernel as hardware."""
    return k.synth(**({"M": 2, "N": 3} if k is scale else {}))


WAYS: list[Callable[..., Any]] = [checked, native, interpreted, simulated]


@pytest.fixture(params=WAYS, ids=lambda f: f.__name__)
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


def good() -> np.ndarray:
    return np.arange(6, dtype=np.int32).reshape(2, 3)


def misaligned(a: np.ndarray) -> np.ndarray:
    """The same values at an odd address."""
    raw = np.zeros(a.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(a.tobytes(), np.uint8)
    return raw[1:].view(a.dtype).reshape(a.shape)


class Sub(np.ndarray):
    """A subclass of no meaning."""


TAKEN = {
    "plain": good(),
    "read-only": np.frombuffer(good().tobytes(), np.int32).reshape(2, 3),
    "matrix": np.asmatrix(good()),
    "subclass": good().view(Sub),
    "long of the same width": good().astype(np.dtype("i")),
    "dtype with metadata": good().view(np.dtype(np.int32, metadata={"unit": "mm"})),
    "buffer": memoryview(good()),
    "one more axis dropped": np.ascontiguousarray(good()[None])[0],
}

REFUSED = {
    "big-endian": (good().astype(">i4"), "A02"),
    "other width": (good().astype(np.int64), "A02"),
    "unsigned": (good().astype(np.uint32), "A02"),
    "float": (good().astype(np.float32), "A02"),
    "object": (good().astype(object), "A02"),
    "text": (good().astype("U4"), "A02"),
    "structured": (np.zeros((2, 3), [("x", np.int32)]), "A02"),
    "dates": (good().astype("datetime64[s]"), "A02"),
    "complex": (good().astype(np.complex64), "A02"),
    "fortran": (np.asfortranarray(good()), "A07"),
    "reversed": (good()[::-1], "A07"),
    "reversed columns": (good()[:, ::-1], "A07"),
    "strided": (np.zeros((2, 6), np.int32)[:, ::2], "A07"),
    "zero stride": (np.broadcast_to(np.int32(1), (2, 3)), "A07"),
    "huge, of one element": (np.broadcast_to(np.int32(1), (2**30, 2**30)), "A07"),
    "misaligned": (misaligned(good()), "A07"),
    "masked": (np.ma.masked_greater(good(), 3), "A06"),
    "rank 1": (good().reshape(-1), "S01"),
    "rank 3": (good()[None], "S01"),
    "rank 0": (np.array(3, np.int32), "S01"),
    "list": (good().tolist(), "A06"),
    "none": (None, "A06"),
    "text object": ("abc", "A06"),
    "number": (5, "A06"),
    "numpy number": (np.int32(5), "A06"),
    "buffer of another type": (memoryview(good().astype(np.int64)), "A02"),
    "buffer with strides": (memoryview(good())[::-1], "A07"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_arrays_that_are_taken(way: Callable[..., Any], name: str) -> None:
    np.testing.assert_array_equal(np.asarray(way(scale, TAKEN[name], -3)), np.asarray(good()) * -3)


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_are_refused(way: Callable[..., Any], name: str) -> None:
    array, code = REFUSED[name]
    with pytest.raises(gm.errors.GemelError) as raised:
        way(scale, array, 1)
    assert raised.value.code == code
    assert "a " in str(raised.value)
    assert raised.value.mend


SCALARS = {
    "bool as int": (True, None),
    "numpy int": (np.int8(1), None),
    "numpy bool": (np.bool_(True), None),
    "float": (1.0, "A02"),
    "numpy float": (np.float32(1), "A02"),
    "nan": (float("nan"), "A02"),
    "too large": (2**31, "A05"),
    "too small": (-(2**31) - 1, "A05"),
    "of thousands of bits": (1 << 5000, "A05"),
    "complex": (1j, "A06"),
    "text": ("1", "A06"),
    "none": (None, "A06"),
    "array of rank 0": (np.array(1), "A06"),
    "array": (np.ones(1, np.int32), "A06"),
    "list": ([1], "A06"),
}


@pytest.mark.parametrize("name", SCALARS)
def test_scalars(way: Callable[..., Any], name: str) -> None:
    number, code = SCALARS[name]
    if code is None:
        np.testing.assert_array_equal(way(scale, good(), number), good())
        return
    with pytest.raises(gm.errors.GemelError) as raised:
        way(scale, good(), number)
    assert raised.value.code == code


@pytest.mark.parametrize("ways", [checked, native, interpreted])
def test_scalars_of_each_kind(ways: Callable[..., Any]) -> None:
    assert ways(kinds, True, 1 << 5000 >> 4990, 0, 0) == 1024.0
    assert ways(kinds, True, 1e300, 0, 0) == np.inf
    assert ways(kinds, True, 10**400, 0, 0) == np.inf
    assert ways(kinds, True, -(10**400), 0, 0) == -np.inf
    assert np.isnan(ways(kinds, True, float("nan"), 0, 0))
    assert np.signbit(ways(kinds, True, -0.0, 0, 0))
    assert ways(kinds, False, 0.0, -128, 2**64 - 1) == float(2**64)
    for bad in ((1, 0.0, 0, 0), (True, 0.0, 128, 0), (True, 0.0, 0, -1), (True, 0.0, 0, 2**64), (None, 0.0, 0, 0)):
        with pytest.raises(gm.errors.ArgumentError):
            ways(kinds, *bad)


def test_number_of_arguments(way: Callable[..., Any]) -> None:
    for args in ((), (good(),), (good(), 1, 2)):
        with pytest.raises(gm.errors.ArgumentError, match="A01"):
            way(scale, *args)


def test_named_arguments() -> None:
    np.testing.assert_array_equal(scale(a=good(), k=2), good() * 2)
    np.testing.assert_array_equal(scale.interpret(good(), k=2), good() * 2)
    for kwargs in ({"a": good(), "b": 1}, {"a": good()}, {"k": 1}, {"a": good(), "k": 1, "x": 0}):
        with pytest.raises(gm.errors.ArgumentError, match="A01"):
            scale(**kwargs)
    with pytest.raises(gm.errors.ArgumentError, match="A01"):
        scale(good(), 1, a=good())


def test_aliases(way: Callable[..., Any]) -> None:
    raw = np.zeros(7, np.int32)
    for a, b in ((raw[:4], raw[:4]), (raw[:4], raw[3:]), (raw[3:], raw[:4])):
        with pytest.raises(gm.errors.ArgumentError, match="A04"):
            way(into, a, b)
    assert not raw.any()
    fixed = np.zeros(4, np.int32)
    fixed.flags.writeable = False
    with pytest.raises(gm.errors.ArgumentError, match="A03"):
        way(into, raw[:4], fixed)


def test_neighbours_are_no_aliases() -> None:
    raw = np.zeros(8, np.int32)
    for run in (checked, native, interpreted):
        run(into, raw[:4], raw[4:])
        assert raw[4:].tolist() == [1, 1, 1, 1]


def test_the_same_array_twice_is_fine_where_it_is_only_read() -> None:
    @gm.kernel
    def twice(a: i32[4], b: i32[4]) -> i32:
        s: i32 = 0
        for i in range(4):
            s += a[i] * b[i]
        return s

    a = np.arange(4, dtype=np.int32)
    assert checked(twice, a, a) == native(twice, a, a) == interpreted(twice, a, a) == 14


# --------------------------------------------------------------------------------------------------------------- shapes


@gm.kernel
def total(a: f64[M, N]) -> f64:
    s: f64 = 0.0
    for i, j in gm.grid(M, N):
        s += a[i, j]
    return s


@gm.kernel
def row_sums(a: f32[M, N]) -> f32[M]:
    return gm.sum(a, axis=1)


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (0, 2**40)])
def test_empty_and_tiny(shape: tuple[int, int]) -> None:
    a = np.ones(shape)
    assert total(a) == total.interpret(a) == a.size
    if shape[0] < 100:
        b = np.ones(shape, np.float32)
        np.testing.assert_array_equal(row_sums(b), row_sums.interpret(b))
        np.testing.assert_array_equal(row_sums(b), b.sum(1))


def test_empty_elementwise() -> None:
    for shape in ((0, 3), (3, 0), (0, 0), (1, 1)):
        a = np.ones(shape, np.int32)
        for run in (checked, interpreted):
            assert run(scale, a, 2).shape == shape


@gm.kernel
def last(a: u8[N], i: i64) -> u8:
    return a[i]


def test_an_array_longer_than_32_bits_count(tmp_path: Any) -> None:
    a = np.memmap(tmp_path / "sparse", np.uint8, "w+", shape=(2**31 + 7,))
    a[-1] = 42
    assert last(a, 2**31 + 6) == 42
    assert last(a, 5) == 0
    for i in (2**31 + 7, -1, 2**63 - 1, -(2**63)):
        with pytest.raises(gm.errors.BoundsError, match="R01"):
            last(a, i)


@gm.kernel
def count(lo: i64, hi: i64, limit: i64) -> i64:
    n: i64 = 0
    for _ in range(lo, hi):
        n += 1
        if n == limit:
            break
    return n


def test_loops_at_the_ends_of_the_index_type() -> None:
    ends = (-(2**63), 2**63 - 1)
    for run in (checked, interpreted):
        assert run(count, *ends, 5) == 5
        assert run(count, ends[1] - 3, ends[1], 100) == 3
        assert run(count, ends[0], ends[0] + 3, 100) == 3
        assert run(count, ends[1], ends[0], 100) == 0


@gm.kernel
def huge_local(n: i64) -> f64:
    a = gm.zeros((n, n), f64)
    a[n - 1, 0] = 1.0
    return a[0, n - 1]


def test_local_arrays_for_which_there_is_no_memory() -> None:
    for n in (2**31, 2**40, 2**62):
        with pytest.raises(gm.errors.OutOfMemoryError, match="R08"):
            huge_local(n)


# ---------------------------------------------------------------------------------------------------------- fuzz: twins

DTYPES = ["<i4", ">i4", "<i8", "<u4", "<f4", "i1", "O", "?"]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array over a buffer of its own or a shared one: any type, order, offset, strides, flags."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([None, 3, 1.5, [1, 2], np.int32(4), np.zeros((), np.int32)]))
    dtype = np.dtype(draw(st.sampled_from(["<i4"] * 6 + DTYPES)))
    shape = draw(st.sampled_from([(4,)] * 8 + [(3,), (5,), (0,), (2, 2), (4, 1)]))
    if dtype.hasobject:
        return np.zeros(shape, object)
    base = SHARED if draw(st.booleans()) else np.zeros(256, np.uint8)
    offset = draw(st.sampled_from([0, 0, 4, 8, 12, 16, 20, 32, 1, 2, 3]))
    step = draw(st.sampled_from([1, 1, 1, 1, 2, -1, 0])) * dtype.itemsize
    if step < 0:
        offset += 64
    strides = (step,) if len(shape) == 1 else (step * shape[1], step)
    made = np.ndarray(shape, dtype, base, offset, strides)
    if draw(st.integers(0, 5)) == 0:
        made.flags.writeable = False
    kind = draw(st.integers(0, 15))
    return made.view(Sub) if kind == 0 else np.ma.masked_array(made) if kind == 1 else made


SHARED = np.zeros(256, np.uint8)


def outcome(run: Callable[..., Any], a: Any, b: Any) -> Any:
    """What a run gives: the bytes of both arrays, or the error's code."""
    try:
        run(a, b)
    except gm.errors.GemelError as error:
        return error.code
    return np.asarray(a).tobytes(), np.asarray(b).tobytes()


@pytest.fixture(scope="module")
def entries() -> Iterator[list[Callable[..., Any]]]:
    compiled = into.compile()
    yield [compiled._checked, compiled.entry(compiled._checked), into.interpret]


@pytest.mark.slow
@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(a=arrays(), b=arrays(), seed=st.integers(0, 2**32 - 1))
def test_native_checks_are_as_strict(entries: list[Callable[..., Any]], a: Any, b: Any, seed: int) -> None:
    found = []
    for run in entries:
        fill = np.random.default_rng(seed).integers(0, 100, 256, dtype=np.uint8)
        for x in (a, b):
            if isinstance(x, np.ndarray) and not x.dtype.hasobject:
                root = x
                while isinstance(root.base, np.ndarray):
                    root = root.base
                root[...] = fill if root.nbytes == 256 else 0
        found.append(outcome(run, a, b))
    assert found[0] == found[1] == found[2]


EDGES = [0, 1, -1, 2**7, 2**31, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 1 << 3000]
NUMBERS = st.one_of(
    st.booleans(),
    st.sampled_from(EDGES),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.sampled_from([None, "x", 1j, np.int8(-1), np.uint64(2**64 - 1), np.float16(0.1), np.bool_(True), np.array(1)]),
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, derandomize=True)
@given(p=NUMBERS, x=NUMBERS, n=NUMBERS, m=NUMBERS)
def test_native_checks_of_scalars_are_as_strict(p: Any, x: Any, n: Any, m: Any) -> None:
    found = []
    for run in (entry(kinds), kinds, kinds.interpret):
        try:
            found.append(np.float64(run(p, x, n, m)).tobytes())
        except gm.errors.GemelError as error:
            found.append(error.code)
    assert found[0] == found[1] == found[2]
