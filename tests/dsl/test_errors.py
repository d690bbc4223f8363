"""What users do wrong, and what they are told: the code, the place, the mend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i32, u8
from gemel.errors import (
    ArgumentError,
    BoundsError,
    CheckError,
    DivisionError,
    GemelError,
    ShapeError,
    SynthesisError,
    TraceError,
    TypeCheckError,
)
from gemel.named import load

M, N = gm.dims("M N")


def refused(run: Callable[[], Any], kind: type[GemelError], code: str, *parts: str) -> str:
    """The message of the error that `run` raises; it must hold all `parts`."""
    with pytest.raises(kind) as caught:
        run()
    assert caught.value.code == code, str(caught.value)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


@gm.kernel
def scale(a: i32[M, N], factor: i32) -> i32[M, N]:
    return gm.cast(a * factor, i32)


@gm.kernel
def add_into(a: i32[N], b: i32[N]):
    for i in range(N):
        a[i] += b[i]


GOOD = np.ones((2, 3), np.int32)


# ---------------------------------------------------------------------------------------------------------- arguments


def test_wrong_dtype_names_parameter_place_and_mend() -> None:
    text = refused(lambda: scale(GOOD.astype(np.int64), 2), ArgumentError, "A02", "a has element type i32", "astype")
    assert "a: i32[M, N]" in text and "^" in text and "test_errors.py" in text


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        ((GOOD,), ArgumentError, "A01"),
        ((GOOD[0], 2), ShapeError, "S01"),
        ((GOOD.T, 2), ArgumentError, "A07"),
        (([[1]], 2), ArgumentError, "A06"),
        ((GOOD, 2.5), ArgumentError, "A02"),
        ((GOOD, 1 << 40), ArgumentError, "A05"),
        ((GOOD, "x"), ArgumentError, "A06"),
        ((GOOD.astype(">i4"), 2), ArgumentError, "A02"),
    ],
)
def test_bad_arguments(arguments: tuple[Any, ...], kind: type[GemelError], code: str) -> None:
    refused(lambda: scale(*arguments), kind, code)
    refused(lambda: scale.interpret(*arguments), kind, code)


def test_sizes_that_disagree() -> None:
    refused(lambda: add_into(np.ones(3, np.int32), np.ones(4, np.int32)), ShapeError, "S02", "b", "size 3, not 4")


def test_overlap_and_read_only() -> None:
    a = np.ones(8, np.int32)
    refused(lambda: add_into(a[:4], a[2:6]), ArgumentError, "A04", "overlaps b", "copy")
    frozen = np.ones(4, np.int32)
    frozen.flags.writeable = False
    refused(lambda: add_into(frozen, a[:4]), ArgumentError, "A03", "read-only")
    add_into(a[:4], frozen)


def test_odd_width_range() -> None:
    @gm.kernel
    def narrow(a: gm.Int(5)[N]) -> i8:
        return a[0]

    assert narrow(np.array([-16], np.int8)) == -16
    refused(lambda: narrow(np.array([16], np.int8)), ArgumentError, "A05", "-16 to 15")


# ------------------------------------------------------------------------------------------------------------ run time


@gm.kernel
def pick(a: i32[N], at: i32, by: i32) -> i32:
    return gm.cast(a[at] // by, i32)


@pytest.mark.parametrize("engine", ["interpreter", "cpu", "rtl"])
def test_run_time_errors(engine: str) -> None:
    a = np.arange(4, dtype=np.int32)
    design = pick.synth(N=4)
    run = {"interpreter": pick.interpret, "cpu": pick, "rtl": design.simulate}[engine]
    text = refused(
        lambda: run(a, 4, 1), BoundsError, "R01", "index 4 is out of range for axis 0 of a, which has size 4"
    )
    assert "a[at]" in text
    refused(lambda: run(a, -1, 1), BoundsError, "R01", "index -1")
    refused(lambda: run(a, 1, 0), DivisionError, "R02", "division by zero")
    run(a, 3, 1)


def test_failed_assert_shows_its_message() -> None:
    @gm.kernel
    def positive(x: i32) -> i32:
        assert x > 0, "x must be positive"
        return x

    for run in (positive, positive.interpret, positive.synth().simulate):
        refused(lambda run=run: run(-3), CheckError, "R04", "x must be positive", "assert x > 0")


# ------------------------------------------------------------------------------------------------------------- tracing


def test_variable_that_may_be_unset() -> None:
    @gm.kernel
    def f(x: i32) -> i32:
        if x > 0:
            y = x
        return y

    refused(lambda: f.ir, TraceError, "P03", "y may be unset", "one side of this branch", "return y")


def test_loop_variable_after_its_loop() -> None:
    @gm.kernel
    def f(x: i32[4]) -> i32:
        for i in range(4):
            last = x[i]
        return last

    refused(lambda: f.ir, TraceError, "P03", "last may be unset", "inside this loop")


def test_int_and_float_need_a_cast() -> None:
    @gm.kernel
    def f(x: i32, y: f32) -> f32:
        return x * y

    refused(lambda: f.ir, TypeCheckError, "T02", "i32 and f32", "cast", "x * y")


def test_widening_of_an_undeclared_variable() -> None:
    @gm.kernel
    def f(a: i32[N]) -> i32:
        total = a[0]
        for i in range(1, N):
            total = total + a[i]
        return total

    refused(lambda: f.ir, TypeCheckError, "T04", "total is i32 before the loop and would become i33", "total: i32 = ")


def test_try_yield_with_and_others() -> None:
    @gm.kernel
    def with_try(x: i32) -> i32:
        try:
            return x
        except ValueError:
            return 0

    @gm.kernel
    def with_yield(x: i32):
        yield x

    @gm.kernel
    def with_with(x: i32) -> i32:
        with open("nothing"):
            return x

    for k, word in ((with_try, "try"), (with_yield, "yield"), (with_with, "with")):
        refused(lambda k=k: k.ir, TraceError, "P01", f"`{word}`")


def test_starred_and_dict_of_traced_values() -> None:
    @gm.kernel
    def starred(x: i32[3]) -> i32:
        first, *rest = x  # noqa: RUF059
        return first

    @gm.kernel
    def mapped(x: i32) -> i32:
        values = {"x": x}
        return values["x"]

    refused(lambda: starred.ir, TraceError, "P02", "starred")
    refused(lambda: mapped.ir, TraceError, "P02", "a dict of a kernel's values")


def test_unknown_name_suggests() -> None:
    @gm.kernel
    def f(value: i32) -> i32:
        return valeu  # noqa: F821

    refused(lambda: f.ir, TraceError, "P08", "valeu is not defined", "did you mean value")


def test_truth_of_a_traced_value_in_a_library() -> None:
    @gm.kernel
    def f(x: i32) -> i32:
        return sorted([x, x + 1])[0]

    refused(lambda: f.ir, TraceError, "P06", "isn't known while tracing")


def test_trace_that_does_not_end() -> None:
    @gm.kernel
    def forever(x: i32) -> i32:
        n = 1
        while n:
            n += 1
        return x

    def endless(n: int) -> Any:
        return endless(n + 1)

    @gm.kernel
    def recursion(x: i32) -> i32:
        return endless(0)

    refused(lambda: forever.ir, TraceError, "P05", "while tracing")
    refused(lambda: recursion.ir, TraceError, "P05", "endless calls itself")


def test_annotations() -> None:
    @gm.kernel
    def missing(x) -> i32:  # type: ignore[no-untyped-def]
        return x

    @gm.kernel
    def python_type(x: int) -> i32:
        return x

    refused(lambda: missing.ir, TraceError, "P07", "x has no annotation")
    refused(lambda: python_type.ir, TraceError, "P07", "annotation of x")


def test_constant_that_does_not_fit() -> None:
    @gm.kernel
    def f(a: u8[N]):
        a[0] = 300

    refused(lambda: f.ir, TypeCheckError, "T07", "300 doesn't fit", "gm.cast(300, u8)")


def test_shift_of_unknown_range() -> None:
    @gm.kernel
    def f(x: i32, n: i32) -> i32:
        return gm.cast(x << n, i32)

    refused(lambda: f.ir, TypeCheckError, "T05", "no fixed width", "n & 31")


def test_shapes_that_can_not_fit() -> None:
    @gm.kernel
    def f(a: i32[3], b: i32[4]) -> i32[3]:
        return gm.cast(a + b, i32)

    refused(lambda: f.ir, ShapeError, "S03", "3 and 4")


def test_value_that_nothing_uses() -> None:
    @gm.kernel
    def f(x: i32) -> i32:
        x + 1
        return x

    refused(lambda: f.ir, TraceError, "P01", "nothing uses")


def test_python_list_indexed_by_a_traced_value() -> None:
    @gm.kernel
    def f(x: i32) -> i32:
        return [1, 2, 3][x]

    refused(lambda: f.ir, TraceError, "P10", "gm.array")


def test_wide_parameter() -> None:
    @gm.kernel
    def f(x: gm.Int(65)[N]) -> i32:
        return 0

    refused(lambda: f(np.zeros(1, np.int64)), ArgumentError, "A02", "NumPy object")
    refused(lambda: f(np.array([1, 1.5], object)), ArgumentError, "A02", "1.5, which is no int")
    refused(lambda: f(np.array([1, 1 << 64], object)), ArgumentError, "A05", "out of the range of i65")


def test_missing_size_static_argument_and_unknown_names() -> None:
    @gm.kernel
    def f(x: i32[N], n: gm.static[int]) -> i32:
        return x[n]

    refused(lambda: f.ir, ArgumentError, "A08", "n is missing")
    refused(lambda: f.specialize(n=1, K=3), ArgumentError, "A08", "no size or argument K")
    refused(lambda: f.specialize(n=1).compile(), ShapeError, "S04", "N")
    refused(lambda: f.specialize(n="x"), ArgumentError, "A08", "n is of type int, not 'x'")


def test_synthesis_options() -> None:
    refused(lambda: scale.synth(M=2, N=2, target="pentium"), SynthesisError, "H06", "unknown target", "ecp5")
    refused(lambda: scale.synth(M=2, N=2, interface="usb"), SynthesisError, "H06", "memory")
    refused(lambda: scale.synth(M=2, N=2, clock_mhz=1000), SynthesisError, "H03", "at most")
    refused(lambda: scale.synth(M=2), ShapeError, "S04", "N")


def test_errors_survive_pickling() -> None:
    import pickle

    with pytest.raises(GemelError) as caught:
        scale(GOOD, "x")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and type(again) is type(caught.value)


@gm.kernel
def joined(a: i32[M], b: i32[N]) -> i32[M]:
    return gm.cast(a + b, i32)


def test_sizes_that_a_run_finds_unequal() -> None:
    a, b = np.zeros(3, np.int32), np.zeros(4, np.int32)
    for run in (joined, joined.interpret):
        refused(lambda run=run: run(a, b), ShapeError, "S03", "sizes 3 and 4", "return gm.cast(a + b", "mend: ")


def test_a_reduction_of_a_number_names_the_functions_of_two() -> None:
    @gm.kernel
    def greater(a: i32, b: i32) -> i32:
        return gm.max(a, b)

    refused(lambda: greater.ir, TraceError, "T08", "gm.maximum")


@pytest.mark.parametrize(
    ("statement", "named"), [("del a", "`del`"), ("class C: ...", "`class`"), ("from math import pi", "`import`")]
)
def test_a_refused_statement_is_called_by_its_keyword(statement: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "kernels.py"
    path.write_text(f"import gemel as gm\n\n@gm.kernel\ndef k(a: gm.i32) -> gm.i32:\n    {statement}\n    return 1\n")
    refused(lambda: load(f"{path}:k").ir, TraceError, "P01", f"{named} in a kernel")
