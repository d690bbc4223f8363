"""Warm kernels, whose calls begin in native code: arrays that change between calls, threads, lifetimes."""

from __future__ import annotations

import copy
import ctypes
import gc
import inspect
import os
import pickle
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import bf16, bool_, f32, f64, i8, i32, i64, native, u64
from gemel.codegen import cpython, fastcall
from gemel.codegen.rules import effort
from gemel.codegen.runtime import WARM
from gemel.native import cool, plain_class
from gemel.underway import UNDER_WAY

N = gm.dims("N")


def fresh() -> Any:
    """A cold kernel that stores to an argument."""

    @gm.kernel
    def into(a: i32[N], b: i32[N]):
        for i in range(N):
            b[i] = a[i] + 1

    return into


def adding() -> Any:
    """A cold kernel that gives an array."""

    @gm.kernel
    def add(a: i32[N], b: i32[N]) -> i32[N]:
        return gm.cast(a + b, i32)

    return add


def warmed(k: Any, *args: Any) -> Any:
    for _ in range(WARM + 1):
        k(*args)
    assert is_warm(k)
    return k


def is_warm(k: Any) -> bool:
    return type(k) is not gm.Kernel


def ints(n: int = 4) -> np.ndarray:
    return np.arange(n, dtype=np.int32)


def native_only(k: Any) -> Callable[..., Any]:
    """The kernel's code for its sizes, with a fallback that fails: what it takes, native code alone has taken."""

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise LookupError("fallback")

    (compiled,) = k._compiled.values()
    return compiled.entry(refused, UNDER_WAY)


# ------------------------------------------------------------------------------------------------ what stays as it was


def test_a_warm_kernel_is_what_it_was() -> None:
    k = fresh()
    before = repr(k), str(k.ir), inspect.signature(k), k.__name__, k.__doc__, hash(k)
    warmed(k, ints(), ints())
    assert before == (repr(k), str(k.ir), inspect.signature(k), k.__name__, k.__doc__, hash(k))
    assert isinstance(k, gm.Kernel) and type(k).__name__ == "Kernel" and type(k).__module__ == gm.Kernel.__module__
    assert plain_class(type(k)) is gm.Kernel
    assert k.specialize(N=4)(ints(), ints()) is None
    out = ints()
    gm.Kernel.__call__(k, ints(), out)
    assert out.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_are_cold_and_run(copied: Callable[[Any], Any]) -> None:
    k = warmed(fresh(), ints(), ints())
    other = copied(k)
    assert type(other) is gm.Kernel and is_warm(k)
    out = ints()
    other(ints(), out)
    assert out.tolist() == [1, 2, 3, 4]
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(k)


def test_named_and_wrong_arguments_fall_back() -> None:
    k = warmed(adding(), ints(), ints())
    assert k(ints(), b=ints()).tolist() == k(b=ints(), a=ints()).tolist() == [0, 2, 4, 6]
    for args, kwargs in (((ints(),), {}), ((ints(), ints()), {"c": 1}), ((ints(), ints(), ints()), {}), ((), {})):
        with pytest.raises(gm.errors.ArgumentError, match="A01"):
            k(*args, **kwargs)
    assert is_warm(k)


def test_several_sizes_have_entries_and_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "MAX_ENTRIES", 4)
    k = adding()
    for n in range(1, 7):
        for _ in range(WARM + 3):
            k(ints(n), ints(n))
    for n in range(1, 9):
        assert k(ints(n), ints(n)).tolist() == (2 * ints(n)).tolist()
        assert k(ints(n), b=ints(n)).tolist() == (2 * ints(n)).tolist()
        assert k(ints(n), ints(n), out=(place := ints(n))) is place and place.tolist() == (2 * ints(n)).tolist()
    for wrong in ((ints(3), ints(2)), (ints(3),), (ints(3), ints(3), ints(3)), (ints(4).reshape(2, 2), ints(4))):
        with pytest.raises(gm.errors.GemelError):
            k(*wrong)
    assert len(type(k)._gemel_entries) == 4
    k.verify()
    assert not is_warm(k)


def test_a_kernel_with_static_arguments_is_pythons_until_they_are_known() -> None:
    @gm.kernel
    def times(a: i32[N], n: gm.static[int] = 2) -> i32[N]:
        return gm.cast(a * n, i32)

    for _ in range(WARM + 3):
        assert times(ints(), 3).tolist() == [0, 3, 6, 9]
        assert times(ints()).tolist() == [0, 2, 4, 6]
    assert not is_warm(times)
    assert warmed(times.specialize(n=5), ints())(ints()).tolist() == [0, 5, 10, 15]


def test_verify_takes_the_entry_back_and_calls_warm_it_again() -> None:
    k = warmed(adding(), ints(), ints())
    entry = type(k).__call__
    k.verify()
    assert type(k) is gm.Kernel
    assert k(ints(), ints()).tolist() == entry(ints(), ints()).tolist() == [0, 2, 4, 6]
    assert warmed(k, ints(), ints())(ints(), ints()).tolist() == [0, 2, 4, 6]


def test_a_failed_run_shows_the_users_frames_alone() -> None:
    @gm.kernel
    def pick(a: i32[N], i: i64) -> i32:
        return a[i]

    warmed(pick, ints(), 2)
    assert native_only(pick)(ints(), 3) == 3
    try:
        raise KeyError("of the user")
    except KeyError:
        with pytest.raises(gm.errors.BoundsError, match="R01") as raised:
            pick(ints(), 4)
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert [f.filename for f in frames] == [__file__]
    assert "of the user" not in "".join(traceback.format_exception(raised.value))


def test_a_warm_kernel_is_traced_in_another() -> None:
    inner, table = warmed(adding(), ints(), ints()), ints()

    class Helper:
        """Plain Python, which runs while the kernel is traced."""

        def twice(self, x: Any) -> Any:
            return inner(x, x)

    helper, fixed = Helper(), [*map(inner, [table], [table])]

    @gm.kernel
    def outer(a: i32[N]) -> i32[N]:
        b = inner(table, table)
        (c,) = map(inner, [table], [table])
        d = helper.twice(table)
        return gm.cast(inner(a, a) + b + c + d, i32)

    assert str(outer.ir).count("call add") == 4
    assert outer(ints()).tolist() == (ints() * 8).tolist()
    assert fixed[0].tolist() == [0, 2, 4, 6]
    assert UNDER_WAY.value == 0
    assert native_only(inner)(table, table).tolist() == [0, 2, 4, 6]


def test_native_calls_wait_for_traces_in_other_threads() -> None:
    k = warmed(adding(), ints(), ints())
    entry = native_only(k)
    UNDER_WAY.value += 1
    try:
        with pytest.raises(LookupError):
            entry(ints(), ints())
        assert k(ints(), ints()).tolist() == [0, 2, 4, 6]
    finally:
        UNDER_WAY.value -= 1
    assert entry(ints(), ints()).tolist() == [0, 2, 4, 6]


# --------------------------------------------------------------------------------------------- arrays that change


def changed_dtype(a: Any) -> Any:
    a.dtype = np.float32
    return "A02"


def changed_shape(a: Any) -> Any:
    a.shape = (2, 2)
    return "S01"


def changed_strides(a: Any) -> Any:
    np.lib.stride_tricks.as_strided(a)
    a.strides = (0,)
    return "A07"


def frozen(a: Any) -> Any:
    a.flags.writeable = False
    return "A03"


def shrunk(a: Any) -> Any:
    a.resize(3, refcheck=False)
    return "S02"


def byteswapped(a: Any) -> Any:
    a.dtype = np.dtype(">i4")
    return "A02"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("change", [changed_dtype, changed_shape, changed_strides, frozen, shrunk, byteswapped])
def test_arrays_changed_in_place_between_calls(change: Callable[[Any], Any]) -> None:
    k = warmed(fresh(), ints(), ints())
    a, b = ints(), ints()
    native_only(k)(a, b)
    code = change(b)
    with pytest.raises(gm.errors.GemelError, match=code):
        k(a, b)
    with pytest.raises(LookupError):
        native_only(k)(a, b)


def test_arrays_that_grow_and_come_back() -> None:
    k = warmed(fresh(), ints(), ints())
    a, b = ints(), np.zeros(4, np.int32)
    for n in (1, 100_000, 4, 0, 4):
        a.resize(n, refcheck=False)
        b.resize(n, refcheck=False)
        a[:] = 7
        k(a, b)
        assert (b == 8).all()


def test_arrays_freed_between_calls() -> None:
    k = warmed(adding(), ints(), ints())
    total = 0
    for n in range(3000):
        total += int(k(np.full(4, n, np.int32), np.full(4, -n, np.int32)).any())
    assert total == 0


def test_subclasses_and_other_types_fall_back() -> None:
    class Sub(np.ndarray):
        """Of no meaning."""

    k = warmed(adding(), ints(), ints())
    assert k(ints().view(Sub), ints()).tolist() == [0, 2, 4, 6]
    with pytest.raises(LookupError):
        native_only(k)(ints().view(Sub), ints())
    for bad in (None, 3, [1], np.ma.masked_array(ints()), ints().astype(">i4"), ints()[::-1], np.int32(3)):
        with pytest.raises(gm.errors.GemelError):
            k(bad, ints())


def test_element_types_that_are_not_numpys_one_object() -> None:
    k = warmed(adding(), ints(), ints())
    for a in (pickle.loads(pickle.dumps(ints())), ints().view(np.dtype(np.int32, metadata={"unit": "mm"}))):
        assert a.dtype is not np.dtype(np.int32)
        assert native_only(k)(a, a).tolist() == [0, 2, 4, 6]
    for other in (ints().astype(">i4"), ints().astype("S4"), pickle.loads(pickle.dumps(ints().view(np.uint32)))):
        with pytest.raises(LookupError):
            native_only(k)(other, ints())


def test_references_are_kept_right() -> None:
    k, s = warmed(adding(), ints(), ints()), warmed(scalar, 1.5, 2)
    a, b, out, dtype = ints(), ints(), ints(), np.dtype(np.int32)
    things = (a, b, out, dtype, k, None, "out")
    gc.collect()
    before = [sys.getrefcount(x) for x in things]
    for _ in range(500):
        k(a, b)
        k(a, b, out=out)
        s(1.5, 2)
        with suppress(gm.errors.ArgumentError):
            k(a, b, out=a)
        with suppress(gm.errors.DivisionError):
            s(1.5, 0)
    gc.collect()
    assert [n for n in (sys.getrefcount(x) - n for x, n in zip(things, before, strict=True)) if abs(n) > 100] == []


@gm.kernel
def scalar(x: f64, n: i64) -> f64:
    return x + gm.cast(7 // n, f64)


@gm.kernel
def all_results(p: bool_, n: i8, m: u64, a: bf16[3]) -> tuple[bool_, i8, u64, f32, bf16[3], f64[2, 0]]:
    z = gm.zeros((2, 0), f64)
    return not p, n, m, gm.cast(a[0], f32), gm.cast(gm.cast(a, f32) * 2.0, bf16), z


def test_results_of_each_kind() -> None:
    a = np.array([1, 2, 3], all_results.interpret(True, 0, 0, np.zeros(3, np.uint16))[4].dtype)
    args = (True, -128, 2**63 - 1, a)
    warmed(all_results, *args)
    found, want = native_only(all_results)(*args), all_results.interpret(*args)
    assert [type(x) for x in found] == [type(x) for x in want]
    assert [getattr(x, "dtype", None) for x in found] == [getattr(x, "dtype", None) for x in want]
    assert all(np.array_equal(x, y) for x, y in zip(found, want, strict=True))
    assert found[4].flags.owndata and found[4].flags.writeable and found[5].shape == (2, 0)


def test_results_where_the_functions_of_numpy_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastcall, "array_functions", lambda: False)
    k = warmed(adding(), ints(), ints())
    assert native_only(k)(ints(), ints()).tolist() == [0, 2, 4, 6]
    assert native_only(k)(ints(), ints(), out=ints()).tolist() == [0, 2, 4, 6]


def test_layout_and_functions_are_known_here() -> None:
    assert cpython.layout_is_known() and cpython.array_functions()


def test_without_a_known_layout_calls_stay_pythons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastcall, "layout_is_known", lambda: False)
    k = adding()
    for _ in range(WARM + 3):
        assert k(ints(), ints()).tolist() == [0, 2, 4, 6]
    assert not is_warm(k)


# ------------------------------------------------------------------------------------------------- threads, lifetimes


def test_the_gil_is_kept_for_short_runs_only() -> None:
    @gm.kernel
    def mm(a: f32[N, N], b: f32[N, N]) -> f32[N, N]:
        return a @ b

    @gm.kernel
    def some(n: i64) -> i64:
        s: i64 = 0
        for i in range(n):
            s += i
        return s

    assert effort.is_brief(mm.compile(N=8).kernel)
    assert not effort.is_brief(mm.compile(N=256).kernel)
    assert not effort.is_brief(some.compile().kernel)
    assert effort.is_brief(scalar.compile().kernel)


@pytest.mark.slow
def test_calls_from_threads_while_another_verifies() -> None:
    k, stop, wrong = adding(), threading.Event(), []

    def call(n: int) -> None:
        a, out = np.full(n, n, np.int32), np.zeros(n, np.int32)
        while not stop.is_set():
            for _ in range(200):
                if k(a, a)[0] != 2 * n or k(a, a, out=out) is not out or out[-1] != 2 * n:
                    wrong.append(n)

    threads = [threading.Thread(target=call, args=(n,)) for n in (3, 4, 4, 5)]
    for t in threads:
        t.start()
    warm = 0
    for n in range(12):
        if n == 6:
            k.verify()
        cool(k, k._compiled.clear)  # as verify does, which keeps its report
        gc.collect()
        for _ in range(100):
            stop.wait(0.02)
            if is_warm(k):
                warm += 1
                break
    stop.set()
    for t in threads:
        t.join()
    assert not wrong and warm


def test_an_entry_outlives_the_names_of_its_kernel() -> None:
    k = warmed(adding(), ints(), ints())
    entry, gone = k.__call__, weakref.ref(k)
    del k
    gc.collect()
    assert entry(ints(), ints()).tolist() == [0, 2, 4, 6]
    assert entry(ints(5), ints(5)).tolist() == [0, 2, 4, 6, 8]
    with pytest.raises(gm.errors.ShapeError):
        entry(ints(5), ints(4))
    assert gone() is not None
    del entry
    gc.collect()
    assert gone() is None


def test_kernels_are_freed_while_others_run() -> None:
    for _ in range(3):
        k = warmed(adding(), ints(), ints())
        result, gone = k(ints(), ints()), weakref.ref(k)
        del k
        gc.collect()
        assert gone() is None and result.tolist() == [0, 2, 4, 6]


def test_a_kernel_that_is_replaced_while_it_runs() -> None:
    """The last reference to an entry may go while its fallback runs."""
    holder: dict[str, Any] = {"k": warmed(adding(), ints(), ints())}

    class Trap:
        """Asked for its memory, it drops the kernel."""

        @property
        def __array_interface__(self) -> Any:
            holder.clear()
            gc.collect()
            return ints().__array_interface__ | {"data": (kept.ctypes.data, False)}

    kept = ints()
    assert holder["k"](Trap(), ints()).tolist() == [0, 2, 4, 6]
    assert not holder


def test_a_child_process_calls_warm_kernels() -> None:
    k = warmed(adding(), ints(), ints())
    entry = native_only(k)
    UNDER_WAY.value += 1  # as if another thread were tracing
    child = os.fork()
    if child == 0:
        right = k(ints(), ints()).tolist() == entry(ints(), ints()).tolist() == [0, 2, 4, 6]
        os._exit(0 if right else 1)
    UNDER_WAY.value -= 1
    assert os.waitpid(child, 0)[1] == 0


def test_a_finaliser_calls_a_kernel_while_another_warms() -> None:
    other, seen = fresh(), []

    class Late:
        """Its end warms a kernel."""

        def __del__(self) -> None:
            warmed(other, ints(), ints())

    k, compiled_entry = adding(), type(adding().compile(N=1)).entry

    def entry(self: Any, *args: Any) -> Any:
        if not seen:
            seen.append(Late)
            Late()
        return compiled_entry(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gemel.codegen.runtime.Compiled.entry", entry)
        warmed(k, ints(), ints())
    assert seen == [Late] and is_warm(other) and k(ints(), ints()).tolist() == [0, 2, 4, 6]


END = """
import numpy as np, gemel as gm
from gemel import i32

@gm.kernel
def add(a: i32[4], b: i32[4]) -> i32[4]:
    return gm.cast(a + b, i32)

class Late:
    def __del__(self):
        print(add(a, a).tolist() if add is not None else "gone")

a = np.arange(4, dtype=np.int32)
for _ in range(100):
    add(a, a)
assert type(add) is not gm.Kernel
late = Late()
"""


def test_a_process_that_ends_with_warm_kernels(tmp_path: Any) -> None:
    (tmp_path / "end.py").write_text(END)
    run = subprocess.run([sys.executable, str(tmp_path / "end.py")], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "[0, 2, 4, 6]")


def test_the_gate_is_one_word() -> None:
    assert ctypes.sizeof(UNDER_WAY) == 8


def test_arrays_of_others_reach_native_code_by_their_memory() -> None:
    k, a, b = fresh(), memoryview(ints()), memoryview(ints())
    for _ in range(WARM + 2):
        k(a, b)
    (compiled,) = k._compiled.values()
    assert isinstance(compiled._call, type(len)) and b.tolist() == [1, 2, 3, 4]
    with pytest.raises(gm.errors.ArgumentError, match="A02"):
        k(memoryview(np.zeros(4, np.int8)), b)
    with pytest.raises(gm.errors.ArgumentError, match="A03"):
        k(a, memoryview(ints().tobytes()).cast("i"))
