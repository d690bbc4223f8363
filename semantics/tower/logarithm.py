"""log, log2 and pow in f64: the logarithm of the mantissa by the series of (1 + s) / (1 - s), with a correction.

The error of the pair is below 2**-64 of it, so that pow is right after multiplying by an exponent of up to 2**11.
"""

from __future__ import annotations

import math

from gemel.semantics.dtypes import F64
from gemel.semantics.tower.coefficients import LN2, LN2_FULL, LOG, PER_LN2, TWO_THIRDS
from gemel.semantics.tower.exponential import near_one, scaled
from gemel.semantics.tower.formula import I64, Formula, X

MANTISSA = 52
ROOT_HALF = 0x3FE6A09E667F3BCD
"""The pattern of the square root of 1/2."""
INF = math.inf


def split(f: Formula, x: X) -> tuple[X, X]:
    """A positive number as m * 2**k: m - 1 and k, with m from sqrt(1/2) to sqrt(2)."""
    tiny = x < 2.0**-1022
    bits = f.where(tiny, x * 2.0**54, x).as_bits(I64)
    k = ((bits - ROOT_HALF) >> MANTISSA).to(I64)
    m = (bits - (k << MANTISSA).to(I64)).to(I64).as_bits(F64)
    return m - 1.0, k.to(F64) - f.where(tiny, 54.0, f.of(0.0, F64))


def log_parts(f: Formula, m1: X) -> tuple[X, X]:
    """log(1 + m1) as a value and a correction."""
    d, d_low = f.quick_sum(2.0, m1)
    s = m1 / d
    s_low = (f.fma(-s, d, m1) - s * d_low) / d
    z, z_low = f.product(s, s)
    z_low = z_low + 2.0 * s * s_low
    w, w_low = f.quick_sum(TWO_THIRDS[0], z * f.polynomial(z, LOG))
    w_low = w_low + TWO_THIRDS[1]
    v, v_low = f.product(z, w)
    v_low = v_low + z * w_low + z_low * w
    u, u_low = f.quick_sum(2.0, v)
    u_low = u_low + v_low
    high, low = f.product(s, u)
    return f.quick_sum(high, low + s * u_low + s_low * u)


def logarithm(f: Formula, x: X, value: X) -> X:
    """The value with what a logarithm is at the ends of its range."""
    zero = f.where(x.equals(0.0), -INF, f.where(x < 0.0, math.nan, value))
    return f.where(x.equals(INF) | x.is_nan(), x, zero)


def log(f: Formula, x: X) -> X:
    """The natural logarithm."""
    m1, k = split(f, x)
    high, low = log_parts(f, m1)
    total, lost = f.sum(k * LN2[0], high)  # the product is exact
    return logarithm(f, x, total + f.fma(k, LN2[1], lost + low))


def log2_parts(f: Formula, x: X) -> tuple[X, X]:
    """The logarithm to base 2 of a positive number as a value and a correction."""
    m1, k = split(f, x)
    high, low = log_parts(f, m1)
    p, p_low = f.product(high, PER_LN2[0])
    p_low = f.fma(high, PER_LN2[1], p_low) + low * PER_LN2[0]
    total, lost = f.sum(k, p)
    return f.quick_sum(total, lost + p_low)


def log2(f: Formula, x: X) -> X:
    """The logarithm to base 2."""
    high, low = log2_parts(f, x)
    return logarithm(f, x, high + low)


def pow_(f: Formula, x: X, y: X) -> X:
    """x**y, with the special cases of C's annex F."""
    size = x.abs()
    value = power(f, size, y)
    whole = y.trunc().equals(y)
    half = y * 0.5
    odd = whole & half.trunc().differs(half)
    value = f.where(size.equals(0.0), f.where(y < 0.0, INF, f.of(0.0, F64)), value)
    value = f.where(size.equals(INF), f.where(y < 0.0, 0.0, f.of(INF, F64)), value)
    shrinks = (size < 1.0) ^ (y < 0.0)
    value = f.where(y.abs().equals(INF), f.where(shrinks, 0.0, f.of(INF, F64)), value)
    value = f.where(size.equals(1.0), 1.0, value)
    negative = x.as_bits(I64) < 0
    value = f.where(negative & odd, -value, value)
    undefined = (x < 0.0) & ~whole & size.differs(INF)
    value = f.where(undefined | x.is_nan() | y.is_nan(), math.nan, value)
    return f.where(y.equals(0.0) | x.equals(1.0), 1.0, value)


def power(f: Formula, size: X, y: X) -> X:
    """size**y where neither is special."""
    log_high, log_low = log2_parts(f, size)
    p, p_low = f.product(log_high, y)
    p_low = f.fma(log_low, y, p_low)
    far = p.abs() > 1100.0
    p = p.clamped(-1100.0, 1100.0)
    p_low = f.where(far, 0.0, p_low)
    k = p.rint()
    r = p - k
    high, low = f.product(r, LN2_FULL[0])
    low = f.fma(r, LN2_FULL[1], low) + p_low * LN2_FULL[0]
    value, more = near_one(f, *f.sum(high, low))
    return scaled(f, value + more, k)
