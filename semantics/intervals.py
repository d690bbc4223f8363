"""Interval arithmetic for integer ops: from operand ranges to the range of the exact result."""

from __future__ import annotations

from collections.abc import Callable

from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, DType, FixedType, FloatType
from gemel.semantics.ops import Op

Interval = tuple[int, int]
"""The least and the greatest value, both possible bounds included; of a bool 0..1, of fixed point the raw integers."""


def of_type(dtype: DType) -> Interval | None:
    """All values of a type; None for floats."""
    if isinstance(dtype, BoolType):
        return 0, 1
    if isinstance(dtype, FloatType):
        return None
    raw = dtype.raw if isinstance(dtype, FixedType) else dtype
    return raw.lo, raw.hi


def join(a: Interval | None, b: Interval | None) -> Interval | None:
    """The least interval around both; None is the empty one."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def meet(a: Interval, b: Interval) -> Interval:
    """What both allow; where nothing is left, `a` (the place is never reached)."""
    lo, hi = max(a[0], b[0]), min(a[1], b[1])
    return (lo, hi) if lo <= hi else a


def _corners(f: Callable[[int, int], int]) -> Callable[..., Interval]:
    def rule(a: Interval, b: Interval) -> Interval:
        values = [f(x, y) for x in a for y in b]
        return min(values), max(values)

    return rule


def _floordiv(a: Interval, b: Interval) -> Interval:
    divisors = [d for d in (*b, -1, 1) if b[0] <= d <= b[1] and d != 0]
    values = [x // d for x in a for d in divisors] + [0] * (b[0] <= 0 <= b[1] or not divisors)  # none: it isn't reached
    return min(values), max(values)


def _mod(a: Interval, b: Interval) -> Interval:
    if a[0] >= 0 and b[0] > 0 and a[1] < b[0]:
        return a
    lo, hi = min(b[0] + 1, 0), max(b[1] - 1, 0)
    return lo, min(hi, a[1]) if a[0] >= 0 and b[0] > 0 else hi


def _bits_above(x: int) -> int:
    """The largest number of as many bits, the sign apart: -8 to 7 are those of three bits."""
    return (1 << max(x, ~x).bit_length()) - 1


def _and(a: Interval, b: Interval) -> Interval:
    if a[0] >= 0 and b[0] >= 0:
        return 0, min(a[1], b[1])
    if a[0] >= 0 or b[0] >= 0:
        return 0, a[1] if a[0] >= 0 else b[1]
    return -_bits_above(min(a[0], b[0])) - 1, _bits_above(max(a[1], b[1], 0))


def _or(a: Interval, b: Interval) -> Interval:
    top = max(_bits_above(x) for x in (*a, *b))
    return (max(a[0], b[0]), top) if a[0] >= 0 and b[0] >= 0 else (-top - 1, top)


def _xor(a: Interval, b: Interval) -> Interval:
    top = max(_bits_above(x) for x in (*a, *b))
    return (0, top) if a[0] >= 0 and b[0] >= 0 else (-top - 1, top)


def _shl(a: Interval, n: Interval) -> Interval:
    if n[1] > 8192:
        raise OverflowError
    return _corners(lambda x, y: x << max(y, 0))(a, n)


def _abs(a: Interval) -> Interval:
    low = 0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
    return low, max(abs(a[0]), abs(a[1]))


def _shr(a: Interval, n: Interval) -> Interval:
    return _corners(lambda x, y: x >> min(max(y, 0), 1 << 16))(a, n)


RULES: dict[Op, Callable[..., Interval]] = {
    ops.ADD: lambda a, b: (a[0] + b[0], a[1] + b[1]),
    ops.SUB: lambda a, b: (a[0] - b[1], a[1] - b[0]),
    ops.MUL: _corners(lambda x, y: x * y),
    ops.FLOORDIV: _floordiv,
    ops.MOD: _mod,
    ops.NEG: lambda a: (-a[1], -a[0]),
    ops.ABS: _abs,
    ops.MIN: lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    ops.MAX: lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    ops.AND: _and,
    ops.OR: _or,
    ops.XOR: _xor,
    ops.INVERT: lambda a: (~a[1], ~a[0]),
    ops.SHL: _shl,
    ops.SHR: _shr,
    ops.SELECT: lambda c, a, b: (min(a[0], b[0]), max(a[1], b[1])),
}
"""Integer ops whose result range follows from operand ranges; the others have the range of their type."""
