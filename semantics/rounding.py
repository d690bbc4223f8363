"""Correct rounding to a float format, nearest-even, on Python numbers of any size."""

from __future__ import annotations

import math
from fractions import Fraction

from gemel.semantics.dtypes import F64, FloatType, Rounding


def round_float(x: float, fmt: FloatType) -> float:
    """The value of `fmt` nearest to `x`, ties to even; beyond the range infinity, or NaN where there is none."""
    if fmt == F64 or x == 0.0 or math.isnan(x):
        return x
    if abs(x) >= 2.0 * fmt.largest:
        return math.copysign(fmt.beyond, x)
    exponent = max(math.frexp(x)[1] - 1, 1 - fmt.bias)
    ulp = exponent - fmt.mantissa
    scaled = round(math.ldexp(x, -ulp))  # exact: a power-of-two scale, then Python's ties-to-even
    return math.copysign(_in_range(math.ldexp(float(abs(scaled)), ulp), fmt), x)


def round_fraction(x: Fraction, fmt: FloatType) -> float:
    """As `round_float`, from an exact rational: one rounding, whatever the size."""
    if x == 0:
        return 0.0
    size = abs(x)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if size < Fraction(2) ** exponent:
        exponent -= 1
    ulp = max(exponent, 1 - fmt.bias) - fmt.mantissa
    scaled = round(size / Fraction(2) ** ulp)
    beyond = scaled.bit_length() + ulp > 1024  # more than a Python float holds
    nearest = fmt.beyond if beyond else _in_range(math.ldexp(float(scaled), ulp), fmt)
    return -nearest if x < 0 else nearest  # copysign would need x as a float, which it may be too large for


def _in_range(size: float, fmt: FloatType) -> float:
    return size if size <= fmt.largest else fmt.beyond


def shift_round(numerator: int, denominator: int, mode: Rounding) -> int:
    """numerator / denominator (denominator > 0) rounded to an int as `mode` says."""
    floor, rest = divmod(numerator, denominator)
    if rest == 0:
        return floor
    twice = 2 * rest - denominator  # the sign says below, at or above the half
    negative = numerator < 0
    up = {
        Rounding.FLOOR: False,
        Rounding.CEIL: True,
        Rounding.ZERO: negative,
        Rounding.AWAY: not negative,
        Rounding.HALF_UP: twice >= 0,
        Rounding.HALF_EVEN: twice > 0 or (twice == 0 and floor % 2 == 1),
        Rounding.HALF_AWAY: twice > 0 or (twice == 0 and not negative),
    }[mode]
    return floor + up
