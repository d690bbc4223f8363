"""Arrays that aren't NumPy's: taken where they lie, by DLPack, buffers and `__array_interface__`."""

from __future__ import annotations

import array
import ctypes
import gc
import importlib.util
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import bf16, bool_, f32, f64, i32, i64, u8
from gemel.semantics import foreign
from gemel.semantics.dtypes import BF16
from gemel.semantics.storage import numpy_dtype

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i64:
    s: i64 = 0
    for i in range(N):
        s += a[i]
    return s


@gm.kernel
def grow(a: i32[N]):
    for i in range(N):
        a[i] += 1


@gm.kernel
def twice(a: f32[N]) -> f32[N]:
    return a + a


@gm.kernel
def narrow(a: bf16[N]) -> bf16[N]:
    for i in range(N):
        a[i] += 1.0
    return gm.cast(gm.cast(a, f32) * 2.0, bf16)


def called(k: gm.Kernel, /, *args: Any, **named: Any) -> Any:
    return k(*args, **named)


def interpreted(k: gm.Kernel, /, *args: Any, **named: Any) -> Any:
    return k.interpret(*args, **named)


def simulated(k: gm.Kernel, *args: Any) -> Any:
    return k.synth_for(*args).simulate(*args).outputs


@pytest.fixture(params=[called, interpreted, simulated], ids=lambda f: f.__name__)
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


class Exporter:
    """Another package's array: it has nothing but DLPack. `old` speaks the protocol's first version only."""

    def __init__(self, a: np.ndarray, old: bool = False, device: int = 1) -> None:
        self.a, self.old, self.device = a, old, device

    def __dlpack__(self, **options: Any) -> Any:
        if self.old and options:
            raise TypeError("unexpected keyword")
        return self.a.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (self.device, 0)


class Interface:
    """An array that has nothing but NumPy's own protocol."""

    def __init__(self, a: np.ndarray) -> None:
        self.a = a

    @property
    def __array_interface__(self) -> Any:
        return self.a.__array_interface__


def ints() -> np.ndarray:
    return np.arange(1, 5, dtype=np.int32)


def frozen(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


SOURCES: dict[str, Callable[[np.ndarray], Any]] = {
    "dlpack": Exporter,
    "interface": Interface,
    "memoryview": memoryview,
    "array.array": lambda a: array.array("i", a.tolist()),
    "ctypes": lambda a: (ctypes.c_int32 * len(a))(*a.tolist()),
}


@pytest.mark.parametrize("name", SOURCES)
def test_each_is_read_and_stored_to(way: Callable[..., Any], name: str) -> None:
    given = SOURCES[name](ints())
    assert way(total, given) == 10
    way(grow, given)
    assert foreign.as_array(given).tolist() == [2, 3, 4, 5]  # type: ignore[union-attr]
    assert way(total, given) == 14


@pytest.mark.parametrize("name", ["dlpack", "interface", "memoryview"])
def test_nothing_is_copied_and_what_is_read_only_stays_so(name: str) -> None:
    base = ints()
    found = foreign.as_array(SOURCES[name](base))
    assert found is not None and found.ctypes.data == base.ctypes.data and found.flags.writeable
    fixed = SOURCES[name](frozen(ints()))
    assert total(fixed) == 10
    with pytest.raises(gm.errors.ArgumentError, match="A03") as raised:
        grow(fixed)
    assert raised.value.mend == "pass a copy: np.array(a)"


def test_what_cannot_say_that_it_is_writeable_is_read_only() -> None:
    assert total(Exporter(ints(), old=True)) == 10
    with pytest.raises(gm.errors.ArgumentError, match="A03"):
        grow(Exporter(ints(), old=True))


def test_out_may_be_foreign() -> None:
    place = np.zeros(3, np.float32)
    for given in (Exporter(place), memoryview(place)):
        place[:] = 0
        assert twice(Exporter(np.ones(3, np.float32)), out=given) is given
        assert place.tolist() == [2, 2, 2]
    with pytest.raises(gm.errors.ArgumentError, match="A04"):
        twice(place, out=Exporter(place))
    with pytest.raises(gm.errors.ArgumentError, match="A03"):
        twice(place, out=Exporter(frozen(np.zeros(3, np.float32))))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "other device": (lambda: Exporter(ints(), device=2), "A06"),
    "other type": (lambda: Exporter(ints().astype(np.int64)), "A02"),
    "complex": (lambda: Exporter(np.ones(3, np.complex64)), "A02"),
    "strided": (lambda: Exporter(ints()[::2]), "A07"),
    "backward": (lambda: Exporter(ints()[::-1]), "A07"),
    "rank": (lambda: Exporter(ints().reshape(2, 2)), "S01"),
    "unexportable": (lambda: Exporter(np.array(["x"])), "A06"),
    "big-endian interface": (lambda: Interface(ints().astype(">i4")), "A02"),
    "strided memory": (lambda: memoryview(ints())[::2], "A07"),
    "released memory": (lambda: released(), "A06"),
    "big-endian ctypes": (lambda: (ctypes.c_int32.__ctype_be__ * 2)(), "A02"),
    "bytes": (lambda: b"12345678", "A02"),
    "list": (lambda: [1, 2], "A06"),
    "wrong capsule": (lambda: Strange(ints().__dlpack__), "A06"),
    "no capsule": (lambda: Strange(lambda: 3), "A06"),
    "bad interface": (lambda: type("Bad", (), {"__array_interface__": 3})(), "A06"),
}


def released() -> memoryview:
    view = memoryview(ints())
    view.release()
    return view


class Strange:
    """An exporter whose capsule is used up, or none."""

    def __init__(self, make: Callable[[], Any]) -> None:
        capsule = make()
        if capsule != 3:
            np.from_dlpack(Once(capsule))
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


class Once:
    """Gives a capsule away."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("way", [called, interpreted])
def test_what_is_refused(way: Callable[..., Any], name: str) -> None:
    make, code = REFUSED[name]
    with pytest.raises(gm.errors.GemelError, match=code) as raised:
        way(total, make())
    assert str(raised.value).startswith("a ") and raised.value.mend


def test_numbers_are_no_arrays_and_arrays_no_numbers() -> None:
    @gm.kernel
    def plus(x: f64) -> f64:
        return x + 1.0

    assert plus(np.float32(1)) == 2.0
    for bad in (Exporter(np.ones(())), memoryview(np.ones(1)), b"1"):
        with pytest.raises(gm.errors.ArgumentError, match="A06"):
            plus(bad)


def test_empty_and_bool_arrays() -> None:
    assert total(Exporter(np.zeros(0, np.int32))) == 0

    @gm.kernel
    def count(a: bool_[N]) -> i64:
        s: i64 = 0
        for i in range(N):
            if a[i]:
                s += 1
        return s

    assert count(Exporter(np.array([True, False, True]))) == 2
    assert count(memoryview(np.array([True, False, True]))) == 2


def test_bytes_are_arrays_of_u8() -> None:
    @gm.kernel
    def last(a: u8[N]) -> u8:
        return a[N - 1]

    assert last(b"abc") == ord("c")
    assert last(bytearray(b"xyz")) == ord("z")


class BFloats:
    """bfloat16 by DLPack, which NumPy can't give: the capsule of another type with its code changed."""

    def __init__(self, values: list[float]) -> None:
        self.a = np.array(values, numpy_dtype(BF16)).view(np.uint16)

    def __dlpack__(self, **options: Any) -> Any:
        capsule = self.a.__dlpack__(**options)
        pointer = foreign._pointer(capsule, b"dltensor_versioned")
        assert pointer is not None
        foreign._Versioned.from_address(pointer).tensor.code = 4
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@pytest.mark.parametrize("way", [called, interpreted])
def test_bfloat16(way: Callable[..., Any]) -> None:
    given = BFloats([1.0, 2.5])
    assert way(narrow, given).tolist() == [4.0, 7.0]
    assert given.a.view(numpy_dtype(BF16)).tolist() == [2.0, 3.5]


def test_the_memory_lives_as_long_as_the_array_and_no_longer() -> None:
    base = ints()
    source = Exporter(base)
    gone = weakref.ref(base)
    found = foreign.as_array(source)
    del source, base
    gc.collect()
    assert found is not None and found.tolist() == [1, 2, 3, 4] and gone() is not None
    del found
    gc.collect()
    assert gone() is None


def test_what_is_resized_between_calls() -> None:
    given = array.array("i", [1, 2, 3])
    for _ in range(200):
        assert total(given) == sum(given)
        given.append(1)
    grown = bytearray(b"ab")
    for _ in range(3):
        with pytest.raises(gm.errors.ArgumentError, match="A02"):
            total(grown)
        grown += b"c"  # nothing holds on to the memory after an error


if importlib.util.find_spec("torch"):

    def test_torch() -> None:
        import torch

        x = torch.arange(4, dtype=torch.int32)
        grow(x)
        assert x.tolist() == [1, 2, 3, 4] and total(x) == 10
        out = torch.zeros(3)
        assert twice(torch.ones(3), out=out) is out and out.tolist() == [2, 2, 2]
        y = torch.ones(2, dtype=torch.bfloat16)
        assert narrow(y).tolist() == [4, 4] and y.tolist() == [2, 2]
        with pytest.raises(gm.errors.ArgumentError, match="detach"):
            twice(torch.ones(3, requires_grad=True))
        for bad in (
            torch.ones(6)[::2],
            torch.ones(3, device="meta"),
            torch.ones(3).to_sparse(),
            torch.ones(3).double(),
        ):
            with pytest.raises(gm.errors.ArgumentError):
                twice(bad)


if importlib.util.find_spec("jax"):

    def test_jax() -> None:
        import jax.numpy as jnp

        x = jnp.arange(4, dtype=jnp.int32)
        assert total(x) == 6 and twice(jnp.ones(3)).tolist() == [2, 2, 2]
        for run in (lambda: grow(x), lambda: twice(jnp.ones(3), out=jnp.ones(3))):
            with pytest.raises(gm.errors.ArgumentError, match="A03"):
                run()
        assert x.tolist() == [0, 1, 2, 3]
