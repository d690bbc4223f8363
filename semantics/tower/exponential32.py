"""exp, exp2, tanh and sigmoid in f32: the argument less a multiple of log 2, then a polynomial; nothing is wider."""

from __future__ import annotations

from gemel.semantics.dtypes import F32
from gemel.semantics.tower.coefficients import EXP2_32, EXP_32, LN2_32, PER_LN2_32, TANH_32
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import (
    at_least,
    at_most,
    nearest,
    number_from,
    power_of_two,
    scaled,
    signed_as,
)

BIAS = F32.bias
SMALL_TANH = 0.975


def reduced(f: Formula, x: X, number: X, offset: int) -> tuple[X, X]:
    """exp(x) as (1 + tail) * 2**k: tail, and a pattern whose last bits are k plus the offset.

    `number` is x where that is no NaN; of a NaN the tail is NaN.
    """
    k, bits = nearest(number, PER_LN2_32, offset)
    r = f.fma(k, -LN2_32[1], f.fma(k, -LN2_32[0], x))  # the inner one is exact
    return f.fma(r * r, f.polynomial(r, EXP_32), r), bits


def exp(f: Formula, x: X) -> X:
    """e**x."""
    x = at_most(f, x, 89.0)
    tail, bits = reduced(f, at_least(f, x, -105.0), number_from(f, x, -105.0), 2 * BIAS)
    return scaled(f, 1.0 + tail, bits)


def exp2(f: Formula, x: X) -> X:
    """2**x."""
    x = at_most(f, x, 129.0)
    k, bits = nearest(number_from(f, x, -151.0), 1.0, 2 * BIAS)
    r = at_least(f, x, -151.0) - k
    return scaled(f, f.fma(r, f.polynomial(r, EXP2_32), 1.0), bits)


def sigmoid(f: Formula, x: X) -> X:
    """1 / (1 + e**-x) with e**-|x| and the divisor each as a value and a correction, and one division."""
    size = at_most(f, x.abs(), 105.0)
    tail, bits = reduced(f, -size, number_from(f, -size, -105.0), 2 * BIAS)
    e, e_low = f.quick_sum(1.0, tail)
    below = scaled(f, e, bits)
    d, d_low = f.quick_sum(1.0, below)
    positive = x >= 0.0
    n, n_low = f.where(positive, 1.0, e), f.where(positive, 0.0, e_low)
    inverse = 1.0 / d
    q = n * inverse
    better = f.fma(f.fma(-q, d_low, f.fma(-q, d, n) + n_low), inverse, q)
    return f.where(positive, better, scaled(f, better, bits))


def tanh(f: Formula, x: X) -> X:
    """The hyperbolic tangent: an odd polynomial near 0, else 1 - 2 / (e**2x + 1)."""
    z = x * x
    small = f.fma(x * z, f.polynomial(z, TANH_32), x)
    size = x.abs()
    double = at_most(f, size, 10.0) * 2.0
    tail, bits = reduced(f, double, number_from(f, double, 0.0), BIAS)
    scale = power_of_two(f, bits, F32)
    large = 1.0 - 2.0 / f.fma(tail, scale, scale + 1.0)  # the inner sum is exact
    return f.where(size < SMALL_TANH, small, signed_as(f, x, large))
