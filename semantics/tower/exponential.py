"""exp, exp2, tanh and sigmoid: the argument less a multiple of log 2, then a polynomial; nothing wider than the format.

What is multiplied by a power of two is 1 + tail, where the tail is small beside 1, so that its own rounding hardly
shows. Where a result is a quotient or a difference, the tail is used apart from the 1.
"""

from __future__ import annotations

from itertools import zip_longest

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


def reduced(f: Formula, x: X, number: X, offset: int) -> tuple[X, X, X]:
    """exp(x) as (1 + tail) * 2**k: tail, k, and a pattern whose last bits are k plus the offset.

    `number` is x where that is no NaN; of a NaN the tail is NaN.
    """
    width = format_of(x).width
    ln2 = LN2[width]
    k, bits = nearest(f, number, PER_LN2[width][0], offset)
    high = f.fma(k, -ln2[0], x)  # exact: a multiple of the last bits of both, and small
    low = k * -ln2[1]
    r = high + low
    return high + f.fma(r * r, f.polynomial(r, EXP[width]), low), k, bits


def exp(f: Formula, x: X) -> X:
    """e**x."""
    dtype = format_of(x)
    least, most = RANGE[dtype.width]
    x = at_least(f, at_most(f, x, most), least)
    ln2, per_ln2 = LN2[dtype.width], PER_LN2[dtype.width][0]
    k = nearest(f, x, per_ln2, 0)[0]
    _, bits = nearest(f, number_from(f, x, least), per_ln2, 2 * dtype.bias)
    high = f.fma(k, -ln2[0], x)  # exact: a multiple of the last bits of both, and small
    r = f.fma(k, -ln2[1], high)
    slope = f.fma(r, f.polynomial(r, EXP[dtype.width]), 1.0)
    return scaled(f, f.fma(r, slope, 1.0), k, bits)


def exp2(f: Formula, x: X) -> X:
    """2**x."""
    dtype = format_of(x)
    least, most = RANGE2[dtype.width]
    x = at_most(f, x, most)
    k, bits = nearest(f, number_from(f, x, least), 1.0, 2 * dtype.bias)
    r = at_least(f, x, least) - k
    return scaled(f, f.fma(r, f.polynomial(r, EXP2[dtype.width]), 1.0), k, bits)


def sigmoid(f: Formula, x: X) -> X:
    """1 / (1 + e**-x), with e**-|x| and the divisor each as a value and a correction, and one division."""
    dtype = format_of(x)
    least, _ = RANGE[dtype.width]
    negative = -at_most(f, x.abs(), -least)
    tail, k, bits = reduced(f, negative, number_from(f, negative, least), 2 * dtype.bias)
    e, e_low = f.quick_sum(1.0, tail)
    d, d_low = f.quick_sum(1.0, scaled(f, e, k, bits))
    positive = x >= 0.0
    n, n_low = f.where(positive, 1.0, e), f.where(positive, 0.0, e_low)
    inverse = 1.0 / d
    q = n * inverse
    better = f.fma(f.fma(-q, d_low, f.fma(-q, d, n) + n_low), inverse, q)
    return f.where(positive, better, scaled(f, better, k, bits))


def tanh(f: Formula, x: X) -> X:
    """The hyperbolic tangent: an odd polynomial near 0, else 1 - 2 / (e**2x + 1).

    Far from 0 an error of e**2x hardly shows, so the power of two is that of a product. Both ways evaluate one
    polynomial: to choose coefficients takes no multiplier, which is what vectors wait for.
    """
    dtype = format_of(x)
    size = x.abs()
    far = size >= SMALL_TANH
    number = f.where(size < ONE_TANH[dtype.width], size, ONE_TANH[dtype.width])
    factor = tuple(2.0 * c for c in PER_LN2[dtype.width])
    k, bits = nearest(f, number, factor[0], dtype.bias)
    r = f.fma(number, factor[1], f.fma(number, factor[0], -k))
    argument = f.where(far, r, x * x)
    chosen = [
        f.where(far, f.of(a, dtype), b) for a, b in zip_longest(EXP2[dtype.width], TANH[dtype.width], fillvalue=0.0)
    ]
    tail = f.fma(
        argument, f.polynomial(argument, chosen), 0.0
    )  # +0 at 0, so that what is small keeps the sign of a zero
    scale = power_of_two(f, bits, dtype)
    large = 1.0 - 2.0 / f.fma(tail, scale, scale + 1.0)  # the inner sum is exact where it matters
    return f.where(far, signed_as(f, x, large), f.fma(x, tail, x))
