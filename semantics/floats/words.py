"""Words of bits in formulas: taking apart, joining, counting, shifting by amounts that are not known.

A word is an unsigned integer; sums wrap where a width is given. Shifts are spelled out by powers of two, the greatest
first, so that hardware may put a register between any two of them.
"""

from __future__ import annotations

from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, BoolType, IntType, width_of
from gemel.semantics.ir import Const
from gemel.semantics.tower.formula import X


def word(width: int) -> IntType:
    """The type of a word."""
    return IntType(width, False)


def width(x: X) -> int:
    """Bits of a word."""
    return width_of(x.dtype)


def known(x: X) -> int | None:
    """The value, where it is a literal."""
    return int(x.expr.value) if isinstance(x.expr, Const) else None


def literal(like: X, value: int, bits: int) -> X:
    """A word with a value, in the formula of another value."""
    return like.f.of(value, word(bits))


def truth(like: X, value: bool) -> X:
    """A truth value, in the formula of another value."""
    return X(build.boolean(value), like.f)


def cut(x: X, high: int, low: int) -> X:
    """Bits `high` down to `low`."""
    if low == 0 and high == width(x) - 1:
        return x
    index = word(16)
    return x.f.apply(ops.BITS, x, x.f.of(high, index), x.f.of(low, index))


def bit(x: X, n: int) -> X:
    """One bit, as a truth value."""
    return cut(x, n, n).to(BOOL)


def resized(x: X, bits: int) -> X:
    """The word with that many bits: zeros in front, or fewer of the low ones."""
    return x.to(word(bits))


def joined(*parts: X) -> X:
    """Words and truth values side by side, the first on top."""
    first, *rest = (p.to(word(1)) if isinstance(p.dtype, BoolType) else p for p in parts)
    for part in rest:
        first = first.f.apply(ops.CONCAT, first, part)
    return first


def padded(x: X, zeros: int) -> X:
    """The word with zeros behind it."""
    return joined(x, literal(x, 0, zeros)) if zeros else x


def some(x: X) -> X:
    """Whether a bit is set."""
    return x if isinstance(x.dtype, BoolType) else x.differs(0)


def none(x: X) -> X:
    """Whether no bit is set."""
    return ~x if isinstance(x.dtype, BoolType) else x.equals(0)


def every(x: X) -> X:
    """Whether all bits are set."""
    return x.equals((1 << width(x)) - 1)


def both(*conditions: X) -> X:
    """The conjunction."""
    return _chained(ops.LAND, True, conditions)


def either(*conditions: X) -> X:
    """The disjunction."""
    return _chained(ops.LOR, False, conditions)


def _chained(op: ops.Op, neutral: bool, conditions: tuple[X, ...]) -> X:
    first, *rest = [c for c in conditions if known(c) != neutral] or conditions[:1]
    for c in rest:
        first = first.f.apply(op, first, c)
    return first


def plus(a: X, b: X | int, bits: int) -> X:
    """The sum, modulo 2**bits."""
    return a.f.apply(ops.ADD, a, a.f.of(b, a.dtype), dtype=word(bits))


def minus(a: X, b: X | int, bits: int) -> X:
    """The difference, modulo 2**bits."""
    return a.f.apply(ops.SUB, a, a.f.of(b, a.dtype), dtype=word(bits))


def masked(x: X, keep: X) -> X:
    """The word where the condition holds, else 0."""
    return x.f.where(keep, x, 0)


def leading_zeros(x: X) -> X:
    """How many zeros stand before the first one; of 0, any number not less than that of 1."""
    size = max(2, 1 << (width(x) - 1).bit_length())
    spare = size - width(x)
    place = _first(joined(x, literal(x, (1 << spare) - 1, spare)) if spare else x)[1]
    return place ^ (size - 1)


def _first(x: X) -> tuple[X, X]:
    """Whether a word of 2**n bits has a bit, and the place of the first one: n bits."""
    half = width(x) // 2
    if half == 1:
        return some(x), bit(x, 1).to(word(1))
    high_some, high = _first(cut(x, 2 * half - 1, half))
    low_some, low = _first(cut(x, half - 1, 0))
    return either(high_some, low_some), joined(high_some, x.f.where(high_some, high, low))


def shifted_right(x: X, amount: X) -> tuple[X, X]:
    """The word shifted, and whether a bit that was set went out."""
    lost = truth(x, False)
    kept = min(width(amount), width(x).bit_length())
    if kept < width(amount):
        beyond = some(cut(amount, width(amount) - 1, kept))
        lost = both(beyond, some(x))
        x = masked(x, ~beyond)
    for n in reversed(range(kept)):
        x, lost = _step_right(x, bit(amount, n), 1 << n, lost)
    return x, lost


def _step_right(x: X, moves: X, by: int, lost: X) -> tuple[X, X]:
    out = x if by >= width(x) else cut(x, by - 1, 0)
    lost = either(lost, both(moves, some(out)))
    rest = literal(x, 0, width(x)) if by >= width(x) else resized(cut(x, width(x) - 1, by), width(x))
    return x.f.where(moves, rest, x), lost


def shifted_left(x: X, amount: X, keep: int) -> tuple[X, X]:
    """The first `keep` bits of the word shifted, and whether one of those behind them is set.

    After each step only as many bits are left as the steps behind it can bring to the front.
    """
    if width(x) < keep:
        x = padded(x, keep - width(x))
    rest = truth(x, False)
    for n in reversed(range(width(amount))):
        x, rest = step_left(x, bit(amount, n), 1 << n, keep, rest)
    return trimmed(x, keep, rest)


def step_left(x: X, moves: X, by: int, keep: int, rest: X) -> tuple[X, X]:
    """One step of a shift, of which what it and lesser steps can bring to the first `keep` bits is left."""
    x, rest = trimmed(x, keep + 2 * by - 1, rest)
    by = min(by, width(x))
    return x.f.where(moves, padded(resized(x, width(x) - by), by) if by < width(x) else 0, x), rest


def trimmed(x: X, keep: int, rest: X) -> tuple[X, X]:
    """The first bits of a word, and whether `rest` or one of those behind them is set."""
    if width(x) <= keep:
        return x, rest
    behind = width(x) - keep
    return cut(x, width(x) - 1, behind), either(rest, some(cut(x, behind - 1, 0)))
