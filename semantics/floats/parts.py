"""A float taken apart into its fields, and put together again with one rounding, to nearest even."""

from __future__ import annotations

from dataclasses import dataclass

from gemel.semantics.dtypes import FloatType
from gemel.semantics.floats.front import to_front
from gemel.semantics.floats.words import (
    bit,
    both,
    cut,
    either,
    every,
    joined,
    known,
    literal,
    masked,
    minus,
    none,
    plus,
    resized,
    shifted_left,
    some,
    truth,
    width,
    word,
)
from gemel.semantics.tower.formula import X


@dataclass(frozen=True)
class Parts:
    """The fields of a pattern. The mantissa has its hidden bit; the exponent is at least 1, as subnormals have it."""

    pattern: X
    sign: X
    size: X
    exponent: X
    fraction: X
    mantissa: X
    top: X
    nan: X
    infinite: X
    zero: X


def apart(x: X, t: FloatType) -> Parts:
    """The fields of a pattern."""
    size, fraction = cut(x, t.width - 2, 0), cut(x, t.mantissa - 1, 0)
    raw = cut(x, t.width - 2, t.mantissa)
    normal = some(raw)
    exponent = raw | (~normal).to(word(t.exponent))
    top = every(size) if t.finite else every(raw)
    nan = top if t.finite else both(top, some(fraction))
    infinite = truth(x, False) if t.finite else both(top, none(fraction))
    mantissa = joined(normal, fraction)
    return Parts(x, bit(x, t.width - 1), size, exponent, fraction, mantissa, top, nan, infinite, none(size))


def infinity(t: FloatType) -> int:
    """The least pattern, without its sign, that is beyond the numbers: infinity, or the NaN of a finite format."""
    return (1 << t.width - 1) - 1 if t.finite else ((1 << t.exponent) - 1) << t.mantissa


@dataclass(frozen=True)
class Special:
    """What overrules a computed value, the first one first: it is NaN, it is infinite, it is zero.

    The last one may be left out, as a literal, where the computed value is zero then and no greater exponent's.
    """

    nan: X
    infinite: X
    zero: X


def rounded(
    t: FloatType, sign: X, x: X, above: X, special: Special, zeros: X | None = None, room: int = 0, most: int = 0
) -> X:
    """The pattern of a number: `x` is a fraction below 2 whose first bit has the biased exponent `above` + 1.

    Bits behind its end are in its last bit (one that says whether any is set will do). `zeros` are its leading ones, or
    None: then it has `room` more of them, and at most `most` (`to_front`).
    """
    if zeros is None:
        kept, rest, moved = to_front(x, above, t.mantissa + 2, room, most)
    else:
        moved = zeros if known(zeros) == 0 else _smaller(zeros, above).called("moves")
        kept, rest = shifted_left(x, moved, t.mantissa + 2)
    below = minus(above, moved, width(above)).called("exponent")
    put = _clamped if t.finite else _overruled
    return put(t, sign, kept.called("kept"), rest, below, special)


def _overruled(t: FloatType, sign: X, kept: X, rest: X, below: X, special: Special) -> X:
    """The rounded pattern, where infinity is what comes of counting on from the greatest number.

    So what overrules the number does so before it is rounded, together with the last step of the shift.
    """
    large = truth(below, False) if width(below) < t.exponent else every(cut(below, t.exponent - 1, 1))
    if width(below) > t.exponent:
        large = either(large, some(cut(below, width(below) - 1, t.exponent)))
    beyond = either(special.nan, special.infinite, both(large, ~special.zero)).called("beyond")
    usual = ~either(beyond, special.zero)
    normal = both(bit(kept, t.mantissa + 1), usual)
    exponent = _exponent(t, below, beyond, normal, special)
    size = _counted(t, masked(kept, usual).called("kept"), rest, normal, exponent, t.width - 1)
    m = t.mantissa
    quiet = joined(either(bit(size, m - 1), special.nan), cut(size, m - 2, 0))
    return joined(both(sign, ~special.nan), cut(size, t.width - 2, m), quiet)


def _exponent(t: FloatType, below: X, beyond: X, normal: X, special: Special) -> X:
    """The exponent before the hidden bit is added. If it isn't said that a number is 0, it is that of a normal one."""
    top, below = (1 << t.exponent) - 1, resized(below, t.exponent)
    if known(special.zero) == 0:
        return masked(below.f.where(beyond, top, below), either(beyond, normal))
    return below.f.where(beyond, top, masked(below, ~special.zero))


def _counted(t: FloatType, kept: X, rest: X, normal: X, below: X, bits: int) -> X:
    """The pattern without its sign: the hidden bit, which stands at the exponent's end, and a rounding are added."""
    m = t.mantissa
    up = both(bit(kept, 0), either(rest, bit(kept, 1)))
    carried = joined(normal, literal(kept, 0, m - 1), up)
    return plus(joined(below, cut(kept, m, 1)), carried, bits).called("rounded")


def _smaller(a: X, b: X) -> X:
    """The smaller of two words, no wider than either."""
    bits = min(width(a), width(b))
    return a.f.where(a < b, resized(a, bits), resized(b, bits))


def _clamped(t: FloatType, sign: X, kept: X, rest: X, below: X, special: Special) -> X:
    """The rounded pattern in a format without infinities, where NaN is in the place of the number after the greatest.

    The exponent is one less than it should be: the hidden bit, which stands at its end, is added to it.
    """
    normal = bit(kept, t.mantissa + 1)
    below = masked(below, normal)
    size = _counted(t, kept, rest, normal, resized(below, t.exponent), t.width)
    over = either(bit(size, t.width - 1), every(cut(size, t.width - 2, 0)))
    if width(below) > t.exponent:
        over = either(over, some(cut(below, width(below) - 1, t.exponent)))
    beyond = either(special.nan, special.infinite, both(over, ~special.zero))
    chosen = size.f.where(beyond, t.nan, masked(resized(size, t.width - 1), ~special.zero))
    return joined(both(sign, ~beyond), chosen)
