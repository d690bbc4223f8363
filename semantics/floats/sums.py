"""Addition and fused multiplication and addition of patterns."""

from __future__ import annotations

from gemel.semantics.dtypes import FloatType
from gemel.semantics.floats.parts import Parts, Special, apart, rounded
from gemel.semantics.floats.words import (
    bit,
    both,
    cut,
    either,
    joined,
    leading_zeros,
    literal,
    minus,
    none,
    padded,
    plus,
    resized,
    shifted_right,
    truth,
    width,
)
from gemel.semantics.tower.formula import X


def add(t: FloatType, a: X, b: X) -> X:
    """a + b: the smaller one is brought to the scale of the greater one, with two bits more and what goes out as one.

    Where the signs differ the greater one's size less the other's is never negative. Zeros in front are counted at
    once, not on the way to the front: that is the shorter path behind a sum.
    """
    f = a.f
    swap = (cut(a, t.width - 2, 0) < cut(b, t.width - 2, 0)).called("swap")
    big, small = apart(f.where(swap, b, a).called("big"), t), apart(f.where(swap, a, b).called("small"), t)
    differ = big.sign.differs(small.sign).called("differ")
    distance = minus(big.exponent, small.exponent, t.exponent).called("distance")
    moved, lost = shifted_right(padded(small.mantissa, 2), distance)
    total = added(padded(big.mantissa, 3), joined(moved, lost).called("aligned"), differ).called("total")
    zero = none(total).called("cancelled")
    sign = both(big.sign, ~both(differ, zero)).called("sign")
    nan = big.nan if t.finite else either(big.nan, both(small.top, differ))
    infinite = big.infinite if t.finite else big.top
    return rounded(t, sign, total, big.exponent, Special(nan, infinite, zero), leading_zeros(total))


def subtract(t: FloatType, a: X, b: X) -> X:
    """a - b."""
    return add(t, a, negated(t, b))


def negated(t: FloatType, x: X) -> X:
    """-x."""
    return x ^ (1 << t.width - 1)


def added(a: X, b: X, subtracts: X) -> X:
    """a + b or a - b with a bit more than `a`; one adder, whose carry comes in behind the words."""
    bits = width(a) + 1
    turned = resized(b, bits) ^ a.f.where(subtracts, (1 << bits) - 1, literal(a, 0, bits))
    return cut(plus(joined(resized(a, bits), truth(a, True)), joined(turned, subtracts), bits + 1), bits, 1)


def exponents(a: Parts, b: Parts, t: FloatType) -> X:
    """The sum of two biased exponents: the bias too great."""
    return plus(a.exponent, b.exponent, t.exponent + 1)


def fma(t: FloatType, a: X, b: X, c: X) -> X:
    """a * b + c: the product stays where it is, `c` is shifted right from before it to behind its end.

    Where `c` would stand further to the left, the product is too small to be more than a remainder.
    """
    f, m = a.f, t.mantissa
    pa, pb, pc = apart(a, t), apart(b, t), apart(c, t)
    negative = pa.sign.differs(pb.sign).called("negative")
    nothing = either(pa.zero, pb.zero).called("nothing")
    bits = t.exponent + 2
    ahead = plus(exponents(pa, pb, t), m + 4, bits).called("ahead")  # the exponent of where `c` starts, and the bias
    distance = minus(ahead, plus(pc.exponent, t.bias, bits + 1), bits + 1).called("distance")
    stays = either(bit(distance, bits), nothing).called("stays")
    amount = f.where(stays, 0, resized(distance, bits)).called("amount")
    start = f.where(stays, resized(pc.exponent, bits), minus(ahead, t.bias, bits)).called("start_exponent")
    moved, lost = shifted_right(padded(pc.mantissa, 2 * m + 6), amount)
    product = (pa.mantissa * pb.mantissa).called("product")
    differ = negative.differs(pc.sign).called("differ")
    size, product_more = _difference(joined(moved, lost).called("aligned"), padded(product, 3), differ)
    zero = none(size).called("cancelled")
    sign = f.where(zero, both(negative, pc.sign), f.where(product_more, negative, pc.sign))
    sign = f.where(either(pa.infinite, pb.infinite), negative, f.where(pc.infinite, pc.sign, sign))
    return rounded(t, sign, size, start, _special(t, (pa, pb, pc), nothing, differ, zero))


def _special(t: FloatType, parts: tuple[Parts, Parts, Parts], nothing: X, differ: X, zero: X) -> Special:
    a, b, c = parts
    product = either(a.infinite, b.infinite)
    nan = either(a.nan, b.nan, c.nan)
    if t.finite:
        return Special(nan, product, zero)
    nan = either(nan, both(product, either(nothing, both(c.infinite, differ))))
    return Special(nan, either(product, c.infinite), zero)


def _difference(a: X, b: X, differ: X) -> tuple[X, X]:
    """The size of a + b or a - b with a bit more, and whether that of b decides the sign."""
    forward = added(a, b, differ)
    negative = both(differ, bit(forward, width(forward) - 1))
    back = minus(b, a, width(forward))
    return a.f.where(negative, back, forward).called("total"), negative
