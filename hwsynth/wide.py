"""Operators that take longer than a clock cycle, in parts that don't: sums by pieces, shifts a level at a time.

The parts are operators of the same graph, so that the scheduler puts registers between them where it must.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from gemel.hwsynth.targets import widest
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, IntType, as_int, width_of
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph
    from gemel.hwsynth.nodes import Node

Rule = Callable[["Graph", "tuple[Node, ...]", DType, Span], "Node | None"]

LEAST = 2
"""The fewest bits of a sum's piece; a clock that doesn't hold these is too fast for the target."""


def _whole(dtype: DType) -> IntType:
    found = as_int(dtype)
    if found is None:
        raise TypeError(f"no integer: {dtype}")
    return found


def _piece(g: Graph) -> int:
    """The bits of a sum, carry in and out included, that fit a cycle; 0 where that is none to speak of.

    A piece of a literal is a literal, and not on each target does a sum with one take less time.
    """
    bits = min(widest(g.clock.target, row, g.clock.room) for row in ("add", "increment")) - 2
    return bits if bits >= LEAST else 0


def _bits(g: Graph, n: Node, hi: int, lo: int, span: Span) -> Node:
    return g.apply(ops.BITS, (n, g.const(hi, None, span), g.const(lo, None, span)), None, span)


def _sum(g: Graph, a: Node, b: Node, carry: bool, width: int, span: Span) -> Node | None:
    """a + b + carry modulo 2**width, from the lowest piece up: a carry goes into a sum as a bit below it."""
    piece, one = _piece(g), IntType(1, False)
    a, b = (g.cast(n, IntType(width, False), span) for n in (a, b))
    result, carried = None, g.const(int(carry), one, span)
    for lo in range(0, width, piece) if piece else ():
        hi = min(lo + piece, width) - 1
        x, y = (g.apply(ops.CONCAT, (_bits(g, n, hi, lo, span), carried), None, span) for n in (a, b))
        total = g.apply(ops.ADD, (x, y), IntType(hi - lo + 3, False), span)
        part = _bits(g, total, hi - lo + 1, 1, span)
        carried = _bits(g, total, hi - lo + 2, hi - lo + 2, span)
        result = part if result is None else g.apply(ops.CONCAT, (part, result), None, span)
    return result


def _add(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    total = _sum(g, args[0], args[1], False, width_of(dtype), span)
    return None if total is None else g.cast(total, dtype, span)


def _sub(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    a, b = args
    flipped = g.apply(ops.INVERT, (g.cast(b, IntType(width_of(dtype), False), span),), None, span)
    total = _sum(g, a, flipped, True, width_of(dtype), span)
    return None if total is None else g.cast(total, dtype, span)


def _neg(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    return _sub(g, (g.const(0, IntType(1, False), span), args[0]), dtype, span)


def _less(swapped: bool, negated: bool) -> Rule:
    """a < b as the sign of a difference that can't wrap, and its kin."""

    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        a, b = args[::-1] if swapped else args
        width = max(_whole(n.dtype).width + (not _whole(n.dtype).signed) for n in args) + 1
        difference = _sub(g, (a, b), IntType(width, True), span)
        if difference is None:
            return None
        sign = g.cast(_bits(g, difference, width - 1, width - 1, span), BOOL, span)
        return g.apply(ops.LNOT, (sign,), BOOL, span) if negated else sign

    return rule


def _equal(negated: bool) -> Rule:
    """Equality of halves."""

    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        width = max(_whole(n.dtype).width + (not _whole(n.dtype).signed) for n in args)
        if width < 2 * LEAST:
            return None
        a, b = (g.cast(n, IntType(width, False), span) for n in args)
        cut = width // 2
        halves = [
            g.apply(ops.EQ, (_bits(g, a, hi, lo, span), _bits(g, b, hi, lo, span)), BOOL, span)
            for hi, lo in ((width - 1, cut), (cut - 1, 0))
        ]
        same = g.apply(ops.LAND, tuple(halves), BOOL, span)
        return g.apply(ops.LNOT, (same,), BOOL, span) if negated else same

    return rule


def _choice(least: bool) -> Rule:
    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        a, b = (g.cast(n, dtype, span) for n in args)
        first = g.apply(ops.LT, args, BOOL, span)
        return g.apply(ops.SELECT, (first, a, b) if least else (first, b, a), dtype, span)

    return rule


def _abs(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    (a,) = args
    negative = g.apply(ops.LT, (a, g.const(0, None, span)), BOOL, span)
    return g.apply(ops.SELECT, (negative, g.apply(ops.NEG, (a,), dtype, span), g.cast(a, dtype, span)), dtype, span)


def _saturate(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    (a,) = args
    result, own, target = g.cast(a, dtype, span), _whole(a.dtype), _whole(dtype)
    for limit, op, needed in ((target.hi, ops.GT, own.hi > target.hi), (target.lo, ops.LT, own.lo < target.lo)):
        if needed:
            beyond = g.apply(op, (a, g.const(limit, None, span)), BOOL, span)
            result = g.apply(ops.SELECT, (beyond, g.const(limit, dtype, span), result), dtype, span)
    return result


def _shift(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span, left: bool) -> Node:
    """A choice for each bit of the amount, and one for all that shift everything out."""
    x, amount = (g.cast(args[0], dtype, span) if left else args[0]), _not_negative(g, args[1], span)
    levels = min(width_of(x.dtype).bit_length(), width_of(amount.dtype))
    for k in range(levels):
        x = _shifted(g, x, 1 << k, g.cast(_bits(g, amount, k, k, span), BOOL, span), left, span)
    if levels < width_of(amount.dtype):
        rest = _bits(g, amount, width_of(amount.dtype) - 1, levels, span)
        beyond = g.apply(ops.NE, (rest, g.const(0, None, span)), BOOL, span)
        x = _shifted(g, x, width_of(x.dtype), beyond, left, span)
    return g.cast(x, dtype, span)


def _shifted(g: Graph, x: Node, by: int, cond: Node, left: bool, span: Span) -> Node:
    moved = g.apply(ops.SHL if left else ops.SHR, (x, g.const(by, None, span)), x.dtype, span)
    return g.apply(ops.SELECT, (cond, moved, x), x.dtype, span)


def _not_negative(g: Graph, amount: Node, span: Span) -> Node:
    own = _whole(amount.dtype)
    if not own.signed:
        return amount
    negative, whole = g.apply(ops.LT, (amount, g.const(0, None, span)), BOOL, span), IntType(own.width, False)
    size = g.cast(amount, whole, span)
    return g.apply(ops.SELECT, (negative, g.const(0, whole, span), size), whole, span)


def _product(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A row for each bit of the narrower factor, summed up in pairs; the sign bit's row is taken away."""
    a, b = sorted(args, key=lambda n: -width_of(n.dtype))
    whole, own = IntType(width_of(dtype), False), _whole(b.dtype)
    rows = [_row(g, a, b, k, whole, span) for k in range(min(own.width, whole.width))]
    last = rows.pop() if own.signed and own.width <= whole.width else None
    while len(rows) > 1:
        pairs = [tuple(rows[k : k + 2]) for k in range(0, len(rows), 2)]
        rows = [g.apply(ops.ADD, p, whole, span) if len(p) == 2 else p[0] for p in pairs]
    total = rows[0] if rows else g.const(0, whole, span)
    return g.cast(total if last is None else g.apply(ops.SUB, (total, last), whole, span), dtype, span)


def _row(g: Graph, a: Node, b: Node, k: int, whole: IntType, span: Span) -> Node:
    moved = g.apply(ops.SHL, (g.cast(a, whole, span), g.const(k, None, span)), whole, span)
    return g.apply(
        ops.SELECT, (g.cast(_bits(g, b, k, k, span), BOOL, span), moved, g.const(0, whole, span)), whole, span
    )


RULES: dict[ops.Op, Rule] = {
    ops.ADD: _add,
    ops.SUB: _sub,
    ops.NEG: _neg,
    ops.MUL: _product,
    ops.LT: _less(False, False),
    ops.GE: _less(False, True),
    ops.GT: _less(True, False),
    ops.LE: _less(True, True),
    ops.EQ: _equal(False),
    ops.NE: _equal(True),
    ops.MIN: _choice(True),
    ops.MAX: _choice(False),
    ops.ABS: _abs,
    ops.SATURATE: _saturate,
    ops.SHL: partial(_shift, left=True),
    ops.SHR: partial(_shift, left=False),
}
"""Each gives None where even parts take too long."""
