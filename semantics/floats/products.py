"""Multiplication, division and square roots of patterns."""

from __future__ import annotations

from gemel.semantics.dtypes import FloatType, IntType
from gemel.semantics.floats.conversions import to_integer
from gemel.semantics.floats.parts import Parts, Special, apart, rounded
from gemel.semantics.floats.sums import exponents
from gemel.semantics.floats.words import (
    bit,
    both,
    cut,
    either,
    joined,
    leading_zeros,
    literal,
    masked,
    minus,
    none,
    padded,
    plus,
    resized,
    shifted_left,
    some,
    truth,
    width,
    word,
)
from gemel.semantics.tower.formula import X


def multiply(t: FloatType, a: X, b: X) -> X:
    """a * b: one shift brings a product's first bit to the front, or to where the least exponent leaves it.

    A product with two subnormal factors is nothing. With one, the first bit is as far from the front as that factor's:
    where a factor has an empty high half, the product without that many bits in front stands for it.
    """
    pa, pb = apart(a, t), apart(b, t)
    product = (pa.mantissa * pb.mantissa).called("product")
    half = (t.mantissa + 1) // 2
    short = either(*(none(cut(p.mantissa, t.mantissa, t.mantissa + 1 - half)) for p in (pa, pb)))
    product = a.f.where(short, padded(resized(product, width(product) - half), half), product).called("product")
    bits = t.exponent + 3
    base = _room(t) - t.bias & (1 << bits) - 1
    above = plus(exponents(pa, pb, t), a.f.where(short, base - half, literal(a, base, bits)), bits).called("above")
    above = masked(resized(above, bits - 1), ~bit(above, bits - 1))
    nan = either(pa.nan, pb.nan, both(pa.infinite, pb.zero), both(pa.zero, pb.infinite))
    special = Special(nan, either(pa.infinite, pb.infinite), truth(a, False))
    most = _room(t) + t.mantissa + 1 - half
    return rounded(t, pa.sign.differs(pb.sign), product, above, special, None, _room(t), most)


def divide(t: FloatType, a: X, b: X) -> X:
    """a / b: a bit of the quotient at a time."""
    pa, pb = apart(a, t), apart(b, t)
    (ma, za), (mb, zb) = _normal(pa), _normal(pb)
    quotient, rest = _quotient(ma, mb, t.mantissa + 3)
    bits = t.exponent + 2
    up, down = plus(pa.exponent, zb, bits), plus(pb.exponent, za, bits)
    scaled = minus(plus(up, literal(up, 2 * t.bias + _room(t), bits), bits), down, bits)
    nan = either(pa.nan, pb.nan, both(pa.infinite, pb.infinite), both(pa.zero, pb.zero))
    special = Special(nan, either(pa.infinite, pb.zero), either(pa.zero, pb.infinite))
    first = ~bit(quotient, t.mantissa + 2)
    return _settled(t, pa.sign.differs(pb.sign), joined(quotient, some(rest)), scaled, first.to(word(1)), special)


def scaled(t: FloatType, x: X, k: X) -> X:
    """x * 2**k, rounded once, of a normal number (or NaN) and a whole one that is no more than all exponents."""
    p, bits = apart(x, t), t.exponent + 3
    power = to_integer(t, IntType(bits, True), k).to(word(bits))
    room = t.mantissa + 1
    above = plus(plus(p.exponent, room - 1, bits), power, bits)
    special = Special(p.nan, p.infinite, either(p.zero, bit(above, bits - 1)))
    number = resized(p.mantissa, width(p.mantissa) + room)
    return rounded(t, p.sign, number, resized(above, bits - 1), special, literal(x, room, room.bit_length()))


def _room(t: FloatType) -> int:
    """How many bits before a number are enough to shift it out, as a power of two."""
    return 1 << (t.mantissa + 1).bit_length()


def _settled(t: FloatType, sign: X, x: X, scaled: X, leading: X, special: Special) -> X:
    """The pattern of `x`, whose first bit has the exponent `scaled` less the bias and the room.

    It gets that room before it; what would have to move right by more is nothing.
    """
    bits = width(scaled) + 1
    above = minus(scaled, t.bias + 1, bits)
    tiny = bit(above, bits - 1)
    special = Special(special.nan, special.infinite, either(special.zero, tiny))
    zeros = _behind(_room(t), leading)
    return rounded(t, sign, resized(x, width(x) + _room(t)), resized(above, bits - 1), special, zeros)


def _behind(room: int, leading: X) -> X:
    """`room`, a power of two, and what comes behind it."""
    count = room.bit_length() - 1
    if width(leading) > count:
        return plus(literal(leading, room, count + 1), leading, count + 2)
    return joined(literal(leading, 1, 1), resized(leading, count))


def _normal(p: Parts) -> tuple[X, X]:
    """The mantissa with its first bit in front, and by how much it was moved."""
    zeros = leading_zeros(p.mantissa)
    return shifted_left(p.mantissa, zeros, width(p.mantissa))[0], zeros


def _quotient(a: X, b: X, digits: int) -> tuple[X, X]:
    """So many bits of a / b, the first one before the point, and what is left; both have their first bit set."""
    bits = width(a) + 1
    rest = resized(a, bits)
    found = []
    for _ in range(digits):
        less = minus(rest, b, bits + 1)
        fits = (~bit(less, bits)).called("digit")
        found.append(fits)
        rest = padded(rest.f.where(fits, resized(less, bits - 1), resized(rest, bits - 1)).called("rest"), 1)
    return joined(*found), rest


def root(t: FloatType, x: X) -> X:
    """The square root, a bit at a time; its exponent is half of the number's, of which twice the bias is no part."""
    p = apart(x, t)
    mantissa, zeros = _normal(p)
    bits = t.exponent + 2
    exponent = minus(plus(p.exponent, t.bias, bits), zeros, bits)
    odd = bit(exponent, 0)
    digits = t.mantissa + 2
    start = x.f.where(odd, resized(padded(mantissa, 1), width(mantissa) + 1), resized(mantissa, width(mantissa) + 1))
    found, rest = _root_digits(padded(start, 2 * digits - width(start)), digits)
    above = minus(cut(exponent, bits - 1, 1), 1, bits - 1)
    nan = either(p.nan, both(p.sign, ~p.zero))
    special = Special(nan, p.infinite, p.zero)
    return rounded(t, p.sign, joined(found, some(rest)), above, special, literal(found, 0, 1))


def _root_digits(x: X, digits: int) -> tuple[X, X]:
    rest = literal(x, 0, digits + 2)
    found: X | None = None
    for n in reversed(range(digits)):
        rest = joined(resized(rest, digits), cut(x, 2 * n + 1, 2 * n))
        trial = literal(x, 1, 2) if found is None else joined(found, literal(x, 1, 2))
        less = minus(rest, trial, digits + 3)
        fits = (~bit(less, digits + 2)).called("digit")
        rest = x.f.where(fits, resized(less, digits + 2), rest).called("rest")
        found = fits.to(word(1)) if found is None else joined(found, fits)
    if found is None:
        raise TypeError("a root has digits")
    return found, rest
