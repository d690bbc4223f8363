"""log and log2: the exponent, and a polynomial of the mantissa from sqrt(1/2) to sqrt(2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gemel.semantics import ops
from gemel.semantics.dtypes import IntType
from gemel.semantics.tower.coefficients import LN2, LOG, LOG2, PER_LN2
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import format_of, number_from

ROOT_HALF = {32: 0x3F3504F3, 64: 0x3FE6A09E667F3BCD}
"""The pattern of the square root of 1/2."""
INF = math.inf


def split(f: Formula, x: X) -> tuple[X, X]:
    """A positive number as m * 2**k: m - 1 and k, with m from sqrt(1/2) to sqrt(2). Of others, something."""
    dtype = format_of(x)
    least, up, raw = 2.0 ** (1 - dtype.bias), dtype.mantissa, IntType(dtype.width, True)
    tiny = x < least
    raised = number_from(f, f.where(tiny, x * 2.0**up, x), least)
    root = f.of(ROOT_HALF[dtype.width], raw)
    above = f.apply(ops.SUB, raised.as_bits(raw), root, dtype=raw)
    fraction = above & ((1 << dtype.mantissa) - 1)
    m = f.apply(ops.ADD, fraction, root, dtype=raw).as_bits(dtype)
    exponent = (above >> dtype.mantissa).to(IntType(16, True)).to(dtype)
    return m - 1.0, f.where(tiny, exponent - up, exponent)


def logarithm(f: Formula, x: X, value: X) -> X:
    """The value with what a logarithm is at the ends of its range."""
    upper = f.where(x < INF, value, x)
    return f.where(x > 0.0, upper, f.where(x.equals(0.0), -INF, f.of(math.nan, x.dtype)))


def log(f: Formula, x: X) -> X:
    """The natural logarithm."""
    width = format_of(x).width
    m1, k = split(f, x)
    z = m1 * m1
    low = f.fma(k, LN2[width][1], m1 * z * f.polynomial(m1, LOG[width]))
    return logarithm(f, x, f.fma(k, LN2[width][0], m1 + f.fma(-0.5, z, low)))


def log2_of_positive(f: Formula, x: X, coefficients: Sequence[float]) -> X:
    """The logarithm to base 2 of a positive number."""
    first, second = PER_LN2[format_of(x).width]
    m1, k = split(f, x)
    return k + f.fma(m1, first, m1 * f.fma(m1, f.polynomial(m1, coefficients), second))


def log2(f: Formula, x: X) -> X:
    """The logarithm to base 2."""
    return logarithm(f, x, log2_of_positive(f, x, LOG2[format_of(x).width]))
