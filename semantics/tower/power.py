"""pow. In f64 with a logarithm as a value and a correction, good to 2**-64 of it; in f32 by way of shorter f64."""

from __future__ import annotations

import math

from gemel.semantics.dtypes import F32, F64, IntType
from gemel.semantics.tower.coefficients import EXP, LN2, LOG_SERIES, PER_LN2, POW_EXP2, POW_LOG2, TWO_THIRDS
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.logarithm import INF, log2_of_positive, split
from gemel.semantics.tower.reduction import at_most, format_of, nearest, number_from, power_of_two, scaled


def pow_(f: Formula, x: X, y: X) -> X:
    """x**y, with the special cases of C's annex F; those of a size of 0 or infinity follow from its logarithm's."""
    size = x.abs()
    value = power32(f, size, y) if x.dtype == F32 else power(f, size, y)
    whole = y.trunc().equals(y)
    half = y * 0.5
    odd = whole & half.trunc().differs(half)
    value = f.where(size.equals(1.0), 1.0, value)
    negative = x.as_bits(IntType(format_of(x).width, True)) < 0
    value = f.where(negative & odd, -value, value)
    undefined = (x < 0.0) & ~whole & size.differs(INF)
    value = f.where(undefined | x.is_nan() | y.is_nan(), math.nan, value)
    return f.where(y.equals(0.0) | x.equals(1.0), 1.0, value)


def with_ends(f: Formula, size: X, logarithm: X) -> X:
    """A logarithm that is right for 0 and infinity too."""
    return f.where(size.equals(0.0), -INF, f.where(size.equals(INF), INF, logarithm))


def power32(f: Formula, size: X, y: X) -> X:
    """size**y in f32; the result in f64 is good to 2**-30 of it, so one rounding is left."""
    wide = size.to(F64)
    p = with_ends(f, wide, log2_of_positive(f, wide, POW_LOG2)) * y.to(F64)
    p = number_from(f, at_most(f, p, 200.0), -200.0)
    k, bits = nearest(f, p, 1.0, F64.bias)
    r = p - k
    return (f.fma(r, f.polynomial(r, POW_EXP2), 1.0) * power_of_two(f, bits, F64)).to(F32)


def power(f: Formula, size: X, y: X) -> X:
    """size**y in f64; something where size is NaN, or y and the logarithm are 0 and infinity."""
    log_high, log_low = log2_parts(f, size)
    p, p_low = f.product(with_ends(f, size, log_high), y)
    p_low = f.fma(log_low, y, p_low)
    p_low = f.where(p.abs() < 1100.0, p_low, 0.0)
    p = number_from(f, at_most(f, p, 1100.0), -1100.0)
    k, bits = nearest(f, p, 1.0, 2 * F64.bias)
    r = p - k
    high, low = f.product(r, LN2[64][0])
    low = f.fma(r, LN2[64][1], low) + p_low * LN2[64][0]
    near = high + low
    return scaled(f, 1.0 + (high + f.fma(near * near, f.polynomial(near, EXP[64]), low)), k, bits)


def log2_parts(f: Formula, x: X) -> tuple[X, X]:
    """The logarithm to base 2 of a positive number as a value and a correction of its last bits."""
    m1, k = split(f, x)
    high, low = log_parts(f, m1)
    p, p_low = f.product(high, PER_LN2[64][0])
    p_low = f.fma(high, PER_LN2[64][1], p_low) + low * PER_LN2[64][0]
    total, lost = f.quick_sum(k, p)  # |p| is at most 1/2
    return total, lost + p_low


def log_parts(f: Formula, m1: X) -> tuple[X, X]:
    """log(1 + m1) as a value and a correction of its last bits: the series of (1 + s) / (1 - s)."""
    d, d_low = f.quick_sum(2.0, m1)
    inverse = 1.0 / d
    s = m1 * inverse
    s_low = (f.fma(-s, d, m1) - s * d_low) * inverse
    z, z_low = f.product(s, s)
    z_low = z_low + 2.0 * s * s_low
    w, w_low = f.quick_sum(TWO_THIRDS[0], z * f.polynomial(z, LOG_SERIES))
    w_low = w_low + TWO_THIRDS[1]
    v, v_low = f.product(z, w)
    v_low = v_low + z * w_low + z_low * w
    u, u_low = f.quick_sum(2.0, v)
    u_low = u_low + v_low
    high, low = f.product(s, u)
    return high, low + s * u_low + s_low * u
