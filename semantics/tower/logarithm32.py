"""log and log2 in f32: the exponent, and a polynomial of the mantissa from sqrt(1/2) to sqrt(2)."""

from __future__ import annotations

import math

from gemel.semantics import ops
from gemel.semantics.dtypes import F32, IntType
from gemel.semantics.tower.coefficients import LN2_32, LOG2_32, LOG2_FIRST_32, LOG_32
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import number_from

I32 = IntType(32, True)
ROOT_HALF = 0x3F3504F3
"""The pattern of the square root of 1/2."""
LEAST, RAISE = 2.0**-126, 23
INF = math.inf


def split(f: Formula, x: X) -> tuple[X, X]:
    """A positive number as m * 2**k: m - 1 and k, with m from sqrt(1/2) to sqrt(2)."""
    tiny = x < LEAST
    raised = number_from(f, f.where(tiny, x * 2.0**RAISE, x), LEAST)
    bits = raised.as_bits(I32)
    above = f.apply(ops.SUB, bits, f.of(ROOT_HALF, I32), dtype=I32)
    k = (above >> F32.mantissa).to(I32)
    m = f.apply(ops.ADD, above & 0x7FFFFF, f.of(ROOT_HALF, I32), dtype=I32).as_bits(F32)
    exponent = k.to(F32)
    return m - 1.0, f.where(tiny, exponent - RAISE, exponent)


def logarithm(f: Formula, x: X, value: X) -> X:
    """The value with what a logarithm is at the ends of its range."""
    upper = f.where(x < INF, value, x)
    return f.where(x > 0.0, upper, f.where(x.equals(0.0), -INF, f.of(math.nan, F32)))


def log(f: Formula, x: X) -> X:
    """The natural logarithm."""
    m1, k = split(f, x)
    z = m1 * m1
    low = f.fma(k, LN2_32[1], m1 * z * f.polynomial(m1, LOG_32))
    return logarithm(f, x, f.fma(k, LN2_32[0], m1 + f.fma(-0.5, z, low)))


def log2(f: Formula, x: X) -> X:
    """The logarithm to base 2."""
    m1, k = split(f, x)
    rest = m1 * f.fma(m1, f.polynomial(m1, LOG2_32), LOG2_FIRST_32[1])
    return logarithm(f, x, k + f.fma(m1, LOG2_FIRST_32[0], rest))
