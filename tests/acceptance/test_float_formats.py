"""The narrow float formats against ml_dtypes and NumPy, and against a table of all their values, on all of them."""

from __future__ import annotations

import operator
from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gemel as gm
from gemel.semantics.convert import from_bits
from gemel.semantics.dtypes import BF16, F8E4M3, F8E5M2, F16, F32, F64, FloatType
from gemel.semantics.storage import filled, numpy_dtype, to_values

N = gm.dims("N")
NARROW = (F8E4M3, F8E5M2, F16, BF16)
EIGHT = (F8E4M3, F8E5M2)
NUMPY = {F8E4M3: ml_dtypes.float8_e4m3fn, F8E5M2: ml_dtypes.float8_e5m2, BF16: ml_dtypes.bfloat16, F16: np.float16}
OPERATIONS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv}

each_narrow = pytest.mark.parametrize("fmt", NARROW, ids=str)
each_eight = pytest.mark.parametrize("fmt", EIGHT, ids=str)
pytestmark = pytest.mark.filterwarnings("ignore:invalid value")  # NumPy's of NaN, as they are converted
each_engine = pytest.mark.parametrize("engine", ["interpreter", "cpu"])


@cache
def conversion(source: FloatType, target: FloatType) -> gm.Kernel:
    @gm.kernel
    def convert(x: source[N]) -> target[N]:
        return gm.cast(x, target)

    return convert


@cache
def operation(name: str, fmt: FloatType) -> gm.Kernel:
    op = OPERATIONS[name]

    @gm.kernel
    def apply(a: fmt[N], b: fmt[N]) -> fmt[N]:
        return op(a, b)

    return apply


def run(kernel: gm.Kernel, engine: str, *arguments: Any) -> Any:
    return kernel(*arguments) if engine == "cpu" else kernel.interpret(*arguments)


def every(fmt: FloatType) -> Any:
    """All values of a format, by pattern."""
    return np.arange(1 << fmt.width, dtype=f"u{fmt.width // 8}").view(NUMPY[fmt])


def assert_same_floats(got: Any, want: Any) -> None:
    """The same values; every NaN is one value, and the two zeros differ."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    word = f"u{got.dtype.itemsize}"
    differ = (got.view(word) != want.view(word)) & ~(np.isnan(got) & np.isnan(want))
    assert not differ.any(), (got[differ][:3], want[differ][:3])


# ---------------------------------------------------------------------------------------------------------- reference


@cache
def ladder(fmt: FloatType) -> Any:
    """The finite values from 0 up, with the first number that the format doesn't have any more."""
    values = [from_bits(bits, fmt) for bits in range(1 << (fmt.width - 1))]
    finite = [v for v in values if np.isfinite(v)]
    return np.array([*finite, 2 * finite[-1] - finite[-2]])


def nearest(x: Any, fmt: FloatType) -> Any:
    """Doubles rounded to a format by looking them up among all its values: ties go to the even pattern."""
    steps, size = ladder(fmt), np.abs(np.where(np.isnan(x), 0.0, x))
    above = np.clip(np.searchsorted(steps, size), 1, len(steps) - 1)
    middle = (steps[above - 1] + steps[above]) / 2  # exact
    up = (size > middle) | ((size == middle) & (above % 2 == 0))
    place = np.where(up, above, above - 1)
    found = np.where(place == len(steps) - 1, fmt.beyond, steps[place])
    return np.where(np.isnan(x), np.nan, np.copysign(found, x)).astype(NUMPY[fmt])


def neighbourhoods(fmt: FloatType, real: Any) -> Any:
    """Each value, each middle of two, and what is one step of the wider format off, of both signs; and specials."""
    steps = ladder(fmt)
    points = np.concatenate([steps, (steps[:-1] + steps[1:]) / 2, [2 * steps[-1], 1e38]]).astype(real)
    near = [points, np.nextafter(points, real(np.inf)), np.nextafter(points, real(-np.inf))]
    both = np.concatenate([*near, *(-x for x in near), np.array([np.inf, -np.inf, np.nan, 1e-40, -1e-40], real)])
    return both.astype(real)


# -------------------------------------------------------------------------------------------------------- conversions


@each_narrow
def test_values_are_those_of_ml_dtypes(fmt: FloatType) -> None:
    mine = np.array([from_bits(bits, fmt) for bits in range(1 << fmt.width)])
    assert_same_floats(mine, every(fmt).astype(np.float64))
    assert float(ml_dtypes.finfo(NUMPY[fmt]).max) == fmt.largest


@each_engine
@each_narrow
@pytest.mark.parametrize("wide", [F32, F64], ids=str)
def test_every_value_widens_exactly_and_comes_back(fmt: FloatType, wide: FloatType, engine: str) -> None:
    widened = run(conversion(fmt, wide), engine, every(fmt))
    assert_same_floats(widened, every(fmt).astype(numpy_dtype(wide)))
    assert_same_floats(run(conversion(wide, fmt), engine, widened), every(fmt))


@each_engine
@each_narrow
@pytest.mark.parametrize("target", NARROW, ids=str)
def test_every_value_to_each_narrow_format(fmt: FloatType, target: FloatType, engine: str) -> None:
    with np.errstate(all="ignore"):
        want = every(fmt).astype(np.float32).astype(NUMPY[target])
    assert_same_floats(run(conversion(fmt, target), engine, every(fmt)), want)


@each_engine
@each_eight
def test_rounding_near_every_value_and_middle(fmt: FloatType, engine: str) -> None:
    check_rounding(fmt, engine)


@pytest.mark.slow
@each_engine
@pytest.mark.parametrize("fmt", [F16, BF16], ids=str)
def test_rounding_near_every_value_and_middle_of_16_bits(fmt: FloatType, engine: str) -> None:
    check_rounding(fmt, engine)


def check_rounding(fmt: FloatType, engine: str) -> None:
    with np.errstate(all="ignore"):
        for wide, real in ((F32, np.float32), (F64, np.float64)):
            x = neighbourhoods(fmt, real)
            got = run(conversion(wide, fmt), engine, x)
            assert_same_floats(got, nearest(x.astype(np.float64), fmt))
            if wide == F32:
                assert_same_floats(got, x.astype(NUMPY[fmt]))


def test_beyond_the_range() -> None:
    """f8e4m3 has no infinity: 464, the tie above its greatest value 448, still rounds down, and the rest is NaN."""
    x = np.array([448, 464, np.nextafter(np.float32(464), np.float32(465)), 1e9, -np.inf], np.float32)
    assert str(conversion(F32, F8E4M3)(x).astype(float).tolist()) == "[448.0, 448.0, nan, nan, nan]"
    x = np.array([57344, np.nextafter(np.float32(61440), np.float32(0)), 61440, -np.inf], np.float32)
    assert conversion(F32, F8E5M2)(x).astype(float).tolist() == [57344.0, 57344.0, np.inf, -np.inf]


@each_engine
@each_eight
def test_integers_and_bits(fmt: FloatType, engine: str) -> None:
    @gm.kernel
    def pattern(x: fmt[N]) -> gm.u8[N]:
        return gm.bitcast(x, gm.u8)

    @gm.kernel
    def whole(x: fmt[N]) -> gm.i8[N]:
        return gm.cast(x, gm.i8)

    @gm.kernel
    def back(x: gm.i32[N]) -> fmt[N]:
        return gm.cast(x, fmt)

    x = every(fmt)
    bits = x.view(np.uint8)
    assert (run(pattern, engine, x) == np.where(np.isnan(x), fmt.nan, bits)).all()
    wide = np.nan_to_num(x.astype(np.float64), nan=0.0)
    assert (run(whole, engine, x) == np.clip(np.trunc(wide), -128, 127)).all()
    numbers = np.arange(-70_000, 70_000, 7, dtype=np.int32)
    assert_same_floats(run(back, engine, numbers), nearest(numbers.astype(np.float64), fmt))


# --------------------------------------------------------------------------------------------------------- arithmetic


def all_pairs(fmt: FloatType) -> tuple[Any, Any]:
    return np.repeat(every(fmt), 256), np.tile(every(fmt), 256)


def exact(name: str, a: Any, b: Any) -> Any:
    """In doubles: sums and products are exact there, and a quotient of two numbers of four bits is either a number of
    five bits or further from each than a double can mistake."""
    with np.errstate(all="ignore"):
        return OPERATIONS[name](a.astype(np.float64), b.astype(np.float64))


@each_eight
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_pair_is_rounded_once(fmt: FloatType, name: str) -> None:
    a, b = all_pairs(fmt)
    assert_same_floats(operation(name, fmt)(a, b), nearest(exact(name, a, b), fmt))


@pytest.mark.slow
@each_eight
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_pair_in_the_interpreter(fmt: FloatType, name: str) -> None:
    a, b = all_pairs(fmt)
    assert_same_floats(operation(name, fmt).interpret(a, b), nearest(exact(name, a, b), fmt))


@each_engine
@each_eight
def test_comparisons_minimum_and_maximum(fmt: FloatType, engine: str) -> None:
    @gm.kernel
    def ordered(a: fmt[N], b: fmt[N]) -> tuple[gm.bool_[N], gm.bool_[N], fmt[N], fmt[N]]:
        return a < b, a == b, gm.minimum(a, b), gm.maximum(a, b)

    a, b = (x[::7].copy() for x in all_pairs(fmt))
    less, equal, low, high = run(ordered, engine, a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    assert (less == (x < y)).all() and (equal == (x == y)).all()
    assert ((low == np.minimum(x, y).astype(NUMPY[fmt])) | np.isnan(x) | np.isnan(y)).all()
    assert ((high == np.maximum(x, y).astype(NUMPY[fmt])) | np.isnan(x) | np.isnan(y)).all()


# ----------------------------------------------------------------------------------------------------------- boundary


def test_scalars_are_python_floats() -> None:
    @gm.kernel
    def twice(x: gm.f8e4m3, y: gm.bf16) -> tuple[gm.f8e4m3, gm.bf16]:
        return x + x, y + y

    for x in (1.5, np.float32(1.5), ml_dtypes.float8_e4m3fn(1.5)):
        for _ in range(50):  # past the calls after which a native entry is made
            assert twice(x, ml_dtypes.bfloat16(2.5)) == (3.0, 5.0) == twice.interpret(x, 2.5)


@each_eight
def test_patterns_are_arguments_too(fmt: FloatType) -> None:
    x = every(fmt)
    assert_same_floats(conversion(fmt, F32)(x.view(np.uint8)), x.astype(np.float32))


def test_without_ml_dtypes_arrays_are_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    numpy_dtype.cache_clear()
    try:
        assert {f: str(numpy_dtype(f)) for f in (*EIGHT, BF16)} == {F8E4M3: "uint8", F8E5M2: "uint8", BF16: "uint16"}
        made = filled([1.0, -2.0], F8E5M2, (2,))
        assert made.tolist() == [0x3C, 0xC0] and to_values(made, F8E5M2) == [1.0, -2.0]
        assert gm.array([1.0, 448.0], gm.f8e4m3).tolist() == [0x38, 0x7E]
    finally:
        numpy_dtype.cache_clear()


def test_tables_constants_and_sums() -> None:
    weights = gm.array([0.5, -1.5, 448.0], gm.f8e4m3)

    @gm.kernel
    def weigh(x: gm.f8e4m3[3]) -> gm.f32:
        total: gm.f32 = 0.0
        for i in range(3):
            total += gm.f32(x[i] * weights[i] + 0.25)
        return total

    x = np.array([2, 4, 1], ml_dtypes.float8_e4m3fn)
    want = 1.25 - 6.0 + 448.0  # each product and sum is rounded: -5.75 is a tie, 448.25 goes down
    assert weigh(x) == weigh.interpret(x) == want
    assert gm.parse(str(weigh.ir))(x) == want
