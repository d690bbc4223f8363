"""Between formats, to and from integers, and to whole numbers."""

from __future__ import annotations

from gemel.semantics import ops
from gemel.semantics.dtypes import FloatType, IntType
from gemel.semantics.floats.order import one_nan
from gemel.semantics.floats.parts import Special, apart, rounded
from gemel.semantics.floats.words import (
    bit,
    both,
    cut,
    either,
    joined,
    literal,
    minus,
    none,
    plus,
    resized,
    shifted_left,
    shifted_right,
    some,
    truth,
    width,
    word,
)
from gemel.semantics.tower.formula import X


def to_format(t: FloatType, target: FloatType, x: X) -> X:
    """The nearest number of another format; where that has greater least numbers, there is room to shift right."""
    p = apart(x, t)
    room = target.mantissa + 1 if t.bias > target.bias else 0
    bits = max(t.exponent, target.exponent) + 2
    above = plus(p.exponent, literal(x, (target.bias - t.bias + room - 1) % (1 << bits), bits), bits)
    special = Special(p.nan, p.infinite, either(p.zero, bit(above, bits - 1)))
    number = resized(p.mantissa, width(p.mantissa) + room)
    return rounded(target, p.sign, number, resized(above, bits - 1), special)


def from_integer(source: IntType, t: FloatType, x: X) -> X:
    """The nearest number to an integer."""
    f, no = x.f, truth(x, False)
    sign, size = no, x
    if source.signed:
        sign, pattern = x < 0, word(source.width)
        size = f.where(sign, f.apply(ops.NEG, x, dtype=pattern), x.to(pattern))
    size = resized(size, max(2, source.width))
    above = t.bias + width(size) - 2
    first = literal(size, above, above.bit_length())
    return rounded(t, sign, size, first, Special(no, no, none(size)))


def to_integer(t: FloatType, target: IntType, x: X) -> X:
    """The whole part, or the nearest value that the type has; NaN gives 0."""
    f, p = x.f, apart(x, t)
    bits = t.exponent + 1
    moves = minus(p.exponent, t.bias, bits)
    reach = min(target.width, t.bias + 2)
    limit = target.width - target.signed
    amount = resized(moves, max(1, (reach - 1).bit_length()))
    whole, _ = shifted_left(resized(p.mantissa, reach + t.mantissa), amount, reach)
    fits = limit > t.bias + 1
    over = p.infinite if fits else either(p.infinite, resized(moves, bits - 1) >= limit)
    less = bit(moves, bits - 1)
    value = f.where(either(less, p.nan), 0, whole).to(target)
    over = both(over, ~either(less, p.nan))
    if target.signed:
        value = f.where(p.sign, f.apply(ops.NEG, value, dtype=target), value)
        return f.where(over, f.where(p.sign, target.lo, f.of(target.hi, target)), value)
    return f.where(p.sign, 0, f.where(over, target.hi, value))


def to_bool(t: FloatType, x: X) -> X:
    """Whether it isn't 0."""
    return some(cut(x, t.width - 2, 0))


def floor(t: FloatType, x: X) -> X:
    """The greatest whole number that is not above."""
    return _whole(t, x, bit(x, t.width - 1))


def ceil(t: FloatType, x: X) -> X:
    """The least whole number that is not below."""
    return _whole(t, x, ~bit(x, t.width - 1))


def trunc(t: FloatType, x: X) -> X:
    """The whole part."""
    return _whole(t, x, truth(x, False))


def _whole(t: FloatType, x: X, away: X) -> X:
    """The whole part, or the next whole number away from 0: the fraction's bits are filled before they go."""
    size, behind, below_one = _fraction(t, x)
    one = both(away, some(size))
    return _joined(t, x, _cleared(plus(size, x.f.where(away, behind, 0), t.width - 1), behind), below_one, one)


def rint(t: FloatType, x: X) -> X:
    """The nearest whole number, ties to even.

    A half is added, or less than that where the last bit that stays is 0. The bias is odd, as a hidden bit is.
    """
    size, behind, below_one = _fraction(t, x)
    unit = plus(behind, 1, t.mantissa + 1)
    odd = both(bit(behind, 0), some(size & unit)).to(word(1))
    more = plus(size, plus(behind >> 1, odd, t.mantissa), t.width - 1)
    return _joined(t, x, _cleared(more, behind), below_one, size > (t.bias - 1 << t.mantissa))


def _fraction(t: FloatType, x: X) -> tuple[X, X, X]:
    """The pattern without its sign, a word with ones where it has a fraction, and whether it is below 1."""
    size = cut(x, t.width - 2, 0)
    moves = minus(cut(size, t.width - 2, t.mantissa), t.bias, t.exponent + 1)
    ones = literal(x, (1 << t.mantissa) - 1, t.mantissa)
    behind, _ = shifted_right(ones, resized(moves, t.exponent))
    return size, behind, bit(moves, t.exponent)


def _cleared(size: X, behind: X) -> X:
    keep = behind ^ ((1 << width(behind)) - 1)
    return joined(cut(size, width(size) - 1, width(keep)), resized(size, width(keep)) & keep)


def _joined(t: FloatType, x: X, size: X, below_one: X, one: X) -> X:
    """The sign of `x` with a size, or with 1 or 0 where the number is below 1."""
    small = x.f.where(one, t.bias << t.mantissa, literal(x, 0, t.width - 1))
    return one_nan(t, joined(bit(x, t.width - 1), x.f.where(below_one, small, size)))
