"""exp, exp2, tanh and sigmoid: the argument less a multiple of log 2, then a polynomial; nothing wider than the format.

What is multiplied by a power of two is 1 + tail, where the tail is small beside 1, so that its own rounding hardly
shows. Where a result is a quotient or a difference, the tail is used apart from the 1.
"""

from __future__ import annotations

from gemel.semantics.tower.coefficients import EXP, EXP2, LN2, PER_LN2, TANH
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import (
    at_least,
    at_most,
    format_of,
    nearest,
    number_from,
    power_of_two,
    scaled,
    signed_as,
)

RANGE = {32: (-105.0, 89.0), 64: (-747.0, 711.0)}
RANGE2 = {32: (-151.0, 129.0), 64: (-1076.0, 1025.0)}
"""Where e**x and 2**x are neither zero nor infinite, by the width of the format, and a little more."""
SMALL_TANH = 0.975
ONE_TANH = {32: 10.0, 64: 20.0}
"""From where on tanh is 1."""


def reduced(f: Formula, x: X, number: X, offset: int) -> tuple[X, X]:
    """exp(x) as (1 + tail) * 2**k: tail, and a pattern whose last bits are k plus the offset.

    `number` is x where that is no NaN; of a NaN the tail is NaN.
    """
    width = format_of(x).width
    ln2 = LN2[width]
    k, bits = nearest(number, PER_LN2[width][0], offset)
    high = f.fma(k, -ln2[0], x)  # exact: a multiple of the last bits of both, and small
    low = k * -ln2[1]
    r = high + low
    return high + f.fma(r * r, f.polynomial(r, EXP[width]), low), bits


def exp(f: Formula, x: X) -> X:
    """e**x."""
    least, most = RANGE[format_of(x).width]
    x = at_most(f, x, most)
    tail, bits = reduced(f, at_least(f, x, least), number_from(f, x, least), 2 * format_of(x).bias)
    return scaled(f, 1.0 + tail, bits)


def exp2(f: Formula, x: X) -> X:
    """2**x."""
    dtype = format_of(x)
    least, most = RANGE2[dtype.width]
    x = at_most(f, x, most)
    k, bits = nearest(number_from(f, x, least), 1.0, 2 * dtype.bias)
    r = at_least(f, x, least) - k
    return scaled(f, f.fma(r, f.polynomial(r, EXP2[dtype.width]), 1.0), bits)


def sigmoid(f: Formula, x: X) -> X:
    """1 / (1 + e**-x), with e**-|x| and the divisor each as a value and a correction, and one division."""
    dtype = format_of(x)
    least, _ = RANGE[dtype.width]
    negative = -at_most(f, x.abs(), -least)
    tail, bits = reduced(f, negative, number_from(f, negative, least), 2 * dtype.bias)
    e, e_low = f.quick_sum(1.0, tail)
    d, d_low = f.quick_sum(1.0, scaled(f, e, bits))
    positive = x >= 0.0
    n, n_low = f.where(positive, 1.0, e), f.where(positive, 0.0, e_low)
    inverse = 1.0 / d
    q = n * inverse
    better = f.fma(f.fma(-q, d_low, f.fma(-q, d, n) + n_low), inverse, q)
    return f.where(positive, better, scaled(f, better, bits))


def tanh(f: Formula, x: X) -> X:
    """The hyperbolic tangent: an odd polynomial near 0, else 1 - 2 / (e**2x + 1)."""
    dtype = format_of(x)
    z = x * x
    small = f.fma(x * z, f.polynomial(z, TANH[dtype.width]), x)
    size = x.abs()
    double = at_most(f, size, ONE_TANH[dtype.width]) * 2.0
    tail, bits = reduced(f, double, number_from(f, double, 0.0), dtype.bias)
    scale = power_of_two(f, bits, dtype)
    large = 1.0 - 2.0 / f.fma(tail, scale, scale + 1.0)  # the inner sum is exact where it matters
    value = f.where(size < SMALL_TANH, small, signed_as(f, x, large))
    return f.where(x.equals(0.0), x, value)
