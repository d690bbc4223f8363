"""Units that divide unsigned integers: a bit of the quotient is a row, an addition or subtraction of the divisor.

A row gives the partial remainder less the divisor, whose sign is the bit; where it is negative the next row adds
instead of restoring first. The remainder, if negative in the end, gets the divisor once more. What comes of a divisor
of 0 means nothing.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from gemel.hwsynth.nodes import Kind
from gemel.hwsynth.units import Iteration, Operation
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, IntType, width_of
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph
    from gemel.hwsynth.nodes import Node


@cache
def divider(dividend: int, divisor: int) -> Operation:
    """Quotient and remainder of unsigned integers of so many bits."""
    name = f"divide_{dividend}_by_{divisor}"
    a, b = IntType(dividend, False), IntType(divisor, False)
    inputs, outputs = (("dividend", a), ("divisor", b)), (("quotient", a), ("remainder", b))
    return Operation(name, name, "div", inputs, outputs, _rows, partial(_iteration, a, b), _wider)


def _wider(one: Operation, other: Operation) -> Operation:
    dividend, divisor = (max(width_of(op.inputs[k][1]) for op in (one, other)) for k in (0, 1))
    return divider(dividend, divisor)


def _iteration(a: IntType, b: IntType, rows: int) -> Iteration:
    """So many rows a step; the dividend's bits leave their register at the top while the quotient's come in below."""
    cycles = -(-a.width // rows)
    both, wide = IntType(cycles * rows, False), IntType(b.width + 1, True)

    def begin(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        return g.const(0, wide, span), g.cast(args[0], both, span), args[1]

    def step(g: Graph, state: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        rest, bits, divisor = state
        for _ in range(rows):
            rest, one = row(g, rest, _bit(g, bits, both.width - 1, span), divisor, span)
            bits = g.cast(g.apply(ops.CONCAT, (bits, one), None, span), both, span)
        return rest, bits, divisor

    def end(g: Graph, state: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        return g.cast(state[1], a, span), remainder(g, state[0], state[2], span)

    return Iteration((("rest", wide), ("bits", both), ("by", b)), cycles, begin, step, end)


def _rows(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
    """All rows one after the other, the highest bit first."""
    a, b = args
    rest = g.const(0, IntType(b.width + 1, True), span)
    bits: Node | None = None
    for n in reversed(range(a.width)):
        rest, one = row(g, rest, _bit(g, a, n, span), b, span)
        bits = one if bits is None else g.apply(ops.CONCAT, (bits, one), None, span)
    if bits is None:
        raise TypeError("an integer has a bit")
    return bits, remainder(g, rest, b, span)


def row(g: Graph, rest: Node, bit: Node, b: Node, span: Span) -> tuple[Node, Node]:
    """The next partial remainder and bit of the quotient."""
    wide = IntType(b.width + 1, True)
    minus = g.apply(ops.GE, (rest, g.const(0, None, span)), BOOL, span)
    grown = g.cast(g.apply(ops.CONCAT, (rest, bit), None, span), wide, span)
    if (
        minus.kind is Kind.CONST and minus.value
    ):  # the first row, whose divisor is inverted by the chain of carries itself
        rest = g.apply(ops.SUB, (grown, b), wide, span)
    else:
        rest = _more_or_less(g, grown, b, minus, span)
    fits = g.apply(ops.GE, (rest, g.const(0, None, span)), BOOL, span)
    return rest, g.cast(fits, IntType(1, False), span)


def _more_or_less(g: Graph, grown: Node, b: Node, minus: Node, span: Span) -> Node:
    """Less the divisor, or with it; a carry put in below makes both one sum."""
    wide = grown.dtype
    low = g.cast(minus, IntType(1, False), span)
    mask = g.cast(g.cast(minus, IntType(1, True), span), wide, span)
    term = g.apply(ops.XOR, (g.cast(b, wide, span), mask), wide, span)
    pair = (g.apply(ops.CONCAT, (grown, low), None, span), g.apply(ops.CONCAT, (term, low), None, span))
    total = g.apply(ops.ADD, pair, IntType(b.width + 2, True), span)
    return g.apply(ops.SHR, (total, g.const(1, None, span)), wide, span)


def remainder(g: Graph, rest: Node, b: Node, span: Span) -> Node:
    """The remainder from the last partial one."""
    negative = g.apply(ops.LT, (rest, g.const(0, None, span)), BOOL, span)
    whole = IntType(b.width, False)
    more = g.apply(ops.SELECT, (negative, b, g.const(0, whole, span)), whole, span)
    return g.apply(ops.ADD, (g.cast(rest, whole, span), more), whole, span)


def _bit(g: Graph, n: Node, k: int, span: Span) -> Node:
    index = g.const(k, None, span)
    return g.apply(ops.BITS, (n, index, index), None, span)
