"""Conversion of a value from one element type to another: the exact meaning of `cast`, `saturate` and `bitcast`."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import assert_never

from gemel.semantics.dtypes import (
    F64,
    INDEX,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    Overflow,
    Rounding,
    int_holding,
    width_of,
)
from gemel.semantics.rounding import round_float, round_fraction, shift_round

Value = bool | int | float


def wrap(value: int, dtype: IntType | IndexType) -> int:
    """`value` modulo 2**width, in the type's range."""
    value &= (1 << dtype.width) - 1
    return value - (1 << dtype.width) if dtype.signed and value >> (dtype.width - 1) else value


def clamp(value: int, dtype: IntType | IndexType) -> int:
    """The value of the type's range that is nearest to `value`."""
    return min(max(value, dtype.lo), dtype.hi)


def exact(value: Value, dtype: DType) -> Fraction:
    """The number that a finite `value` of `dtype` stands for."""
    return Fraction(value) / (Fraction(2) ** dtype.frac) if isinstance(dtype, FixedType) else Fraction(value)


def cast(value: Value, source: DType, target: DType) -> Value:
    """`value` converted as the language's stores and `gm.cast` do.

    To an integer: truncated toward zero, then wrapped; from a float it saturates instead, and NaN gives 0.
    To fixed point: the target's rounding and overflow modes. To a float: nearest-even. To bool: `value != 0`.
    """
    match target:
        case BoolType():
            return value != 0
        case IntType() | IndexType():
            if isinstance(source, FloatType):
                return saturate(value, source, target)
            return wrap(_truncate(value, source), target)
        case FixedType():
            return _to_fixed(value, source, target)
        case FloatType():
            if isinstance(source, FloatType):
                return round_float(float(value), target)
            return round_fraction(exact(value, source), target)
        case _:
            assert_never(target)


def saturate(value: Value, source: DType, target: DType) -> Value:
    """`value` converted with out-of-range numbers clamped to the target's range; NaN gives 0."""
    match target:
        case IntType() | IndexType():
            if isinstance(source, FloatType) and not math.isfinite(value):
                return 0 if math.isnan(value) else (target.hi if value > 0 else target.lo)
            return clamp(_truncate(value, source), target)
        case FixedType():
            return _to_fixed(value, source, _saturating(target))
        case BoolType() | FloatType():
            return cast(value, source, target)
        case _:
            assert_never(target)


def _saturating(target: FixedType) -> FixedType:
    return FixedType(target.width, target.frac, target.signed, target.rounding, Overflow.SATURATE)


def _truncate(value: Value, source: DType) -> int:
    if isinstance(source, FixedType):
        number = exact(value, source)
        return shift_round(number.numerator, number.denominator, Rounding.ZERO)
    return int(value)


def _to_fixed(value: Value, source: DType, target: FixedType) -> int:
    raw = target.raw
    if isinstance(source, FloatType) and not math.isfinite(value):
        return 0 if math.isnan(value) else (raw.hi if value > 0 else raw.lo)
    number = exact(value, source) * Fraction(2) ** target.frac
    rounded = shift_round(number.numerator, number.denominator, target.rounding)
    if isinstance(source, FloatType) or target.overflow is Overflow.SATURATE:
        return clamp(rounded, raw)
    return wrap(rounded, raw)


def to_bits(value: Value, dtype: DType) -> int:
    """The value's bit pattern as a non-negative int; every NaN gives the quiet NaN without sign."""
    if not isinstance(dtype, FloatType):
        return int(value) & ((1 << width_of(dtype)) - 1)
    x = float(value)
    if math.isnan(x):
        return dtype.nan
    sign = (1 << (dtype.width - 1)) if math.copysign(1.0, x) < 0 else 0
    if math.isinf(x):
        return sign | ((1 << dtype.exponent) - 1) << dtype.mantissa
    if x == 0.0:
        return sign
    exponent = max(math.frexp(abs(x))[1] - 1, 1 - dtype.bias)
    fraction = int(math.ldexp(abs(x), dtype.mantissa - exponent))
    implicit = fraction >> dtype.mantissa
    biased = exponent + dtype.bias if implicit else 0
    return sign | biased << dtype.mantissa | fraction & ((1 << dtype.mantissa) - 1)


def from_bits(bits: int, dtype: DType) -> Value:
    """The value whose bit pattern is `bits`."""
    match dtype:
        case BoolType():
            return bool(bits & 1)
        case IntType() | IndexType():
            return wrap(bits, dtype)
        case FixedType():
            return wrap(bits, dtype.raw)
        case FloatType():
            return _float_from_bits(bits, dtype)
        case _:
            assert_never(dtype)


def _float_from_bits(bits: int, fmt: FloatType) -> float:
    fraction = bits & ((1 << fmt.mantissa) - 1)
    biased = bits >> fmt.mantissa & ((1 << fmt.exponent) - 1)
    sign = -1.0 if bits >> (fmt.width - 1) & 1 else 1.0
    if biased == (1 << fmt.exponent) - 1 and not fmt.finite:
        return math.nan if fraction else sign * math.inf
    if fmt.finite and bits | 1 << (fmt.width - 1) == (1 << fmt.width) - 1:
        return math.nan
    implicit = 1 << fmt.mantissa if biased else 0
    return sign * math.ldexp(float(fraction | implicit), max(biased, 1) - fmt.bias - fmt.mantissa)


def from_python(value: object, dtype: DType) -> Value:
    """A plain Python or NumPy number as a value of `dtype`, converted as by `cast`.

    Raises TypeError for anything that is no number.
    """
    if isinstance(value, bool) or type(value).__name__ == "bool_":
        return cast(int(bool(value)), INDEX, dtype)
    if hasattr(value, "__index__"):
        number = value.__index__()
        return cast(number, int_holding(min(number, 0), max(number, 0)), dtype)
    if hasattr(value, "__float__"):
        return cast(value.__float__(), F64, dtype)
    raise TypeError(f"not a number: {value!r}")


def same_float(a: float, b: float) -> bool:
    """Whether two floats are the same value: NaN equals NaN, -0.0 differs from 0.0."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return struct.pack("<d", a) == struct.pack("<d", b)
