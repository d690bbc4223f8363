"""exp, exp2, tanh and sigmoid in f64: argument reduction by multiples of log 2, then a polynomial.

The reduced argument and the result are carried as a value and a correction (Cody and Waite's reduction, Dekker's
arithmetic), so that what is left is little more than the last rounding.
"""

from __future__ import annotations

from gemel.semantics.dtypes import F64
from gemel.semantics.tower.coefficients import EXP, LN2, LN2_FULL, PER_LN2, TANH
from gemel.semantics.tower.formula import I64, Formula, X

BIAS, MANTISSA = 1023, 52
SMALL_TANH = 0.3


def power_of_two(k: X) -> X:
    """2**k for a whole number in -1022..1023."""
    return ((k.to(I64) + BIAS).to(I64) << MANTISSA).to(I64).as_bits(F64)


def scaled(f: Formula, x: X, k: X) -> X:
    """x * 2**k for a whole k, in two steps, so that the result may be subnormal, zero or infinite."""
    half = (k * 0.5).rint()
    return x * power_of_two(half) * power_of_two(k - half)


def near_one(f: Formula, high: X, low: X) -> tuple[X, X]:
    """exp(high + low) as a value and a correction; high is at most 0.35, low no more than its last bit."""
    rest = high * high * f.polynomial(high, EXP) + low + high * low
    total, lost = f.quick_sum(1.0, high)
    return f.quick_sum(total, lost + rest)


def exp_parts(f: Formula, x: X, low: X | float = 0.0) -> tuple[X, X, X]:
    """exp(x + low) as (value + correction) * 2**k; |x| is at most 1100."""
    k = (x * PER_LN2[0]).rint()
    first = f.fma(k, -LN2[0], x)  # exact: k times the first 40 bits of log 2
    t, lost = f.product(k, -LN2[1])
    high, more = f.sum(first, t)
    return (*near_one(f, high, more + lost + low), k)


def exp(f: Formula, x: X) -> X:
    """e**x."""
    value, low, k = exp_parts(f, x.clamped(-760.0, 720.0))
    return scaled(f, value + low, k)


def exp2(f: Formula, x: X) -> X:
    """2**x."""
    x = x.clamped(-1100.0, 1100.0)
    k = x.rint()
    high, low = f.product(x - k, LN2_FULL[0])
    value, more = near_one(f, high, low + (x - k) * LN2_FULL[1])
    return scaled(f, value + more, k)


def quotient(f: Formula, n: tuple[X, X], d: tuple[X, X]) -> X:
    """n / d, both with corrections."""
    q = n[0] / d[0]
    rest = f.fma(-q, d[0], n[0]) + n[1] - q * d[1]
    return q + rest / d[0]


def decay(f: Formula, size: X) -> tuple[X, X]:
    """exp(-size) as a value and a correction; `size` is at most 700."""
    value, low, k = exp_parts(f, -size)
    scale = power_of_two(k)
    return value * scale, low * scale


def sigmoid(f: Formula, x: X) -> X:
    """1 / (1 + e**-x)."""
    e = decay(f, x.abs().clamped(0.0, 700.0))
    below, lost = f.quick_sum(1.0, e[0])
    d = (below, lost + e[1])
    one = (f.of(1.0, F64), f.of(0.0, F64))
    positive = quotient(f, one, d)
    negative = quotient(f, e, d)
    far = x < -700.0  # 1 is lost beside e**-x, and the quotient is e**x
    return f.where(x.is_nan(), x, f.where(far, exp(f, x), f.where(x >= 0.0, positive, negative)))


def tanh(f: Formula, x: X) -> X:
    """The hyperbolic tangent."""
    z = x * x
    small = f.fma(x * z, f.polynomial(z, TANH), x)
    size = x.abs()
    e = decay(f, (size * 2.0).clamped(0.0, 80.0))
    above, more = f.quick_sum(1.0, -e[0])
    below, lost = f.quick_sum(1.0, e[0])
    large = quotient(f, (above, more - e[1]), (below, lost + e[1]))
    signed = f.where(x < 0.0, -large, large)
    usual = f.where(size < SMALL_TANH, small, f.where(x.is_nan(), x, signed))
    return f.where(x.equals(0.0), x, usual)
