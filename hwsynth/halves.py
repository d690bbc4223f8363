"""Products that are shifted left by half a factor's width where one of the factors has an empty high half.

That is how a product with a subnormal factor begins to be brought to the front. Where a product is made of those of
halves and the target's carry chains choose (`carries`), it is for nothing: the sums of these leave out what is empty.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from gemel.hwsynth import carries
from gemel.hwsynth.carries import Bit, Lane, pieces
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.targets import one_multiplier
from gemel.hwsynth.units import Operation
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, IntType
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph


def shifted(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """A choice between a product and that shifted, as one unit; None where it isn't, or that would be no gain."""
    cond, moved, product = args
    if not g.packs or carries.CARRY not in g.clock.target.cells or product.kind is not Kind.RESULT:
        return None
    factors, half = product.args[0].args, product.width // 4
    if product.args[0].operation is None or product.args[0].operation.resource != "mul":
        return None
    if any(n.dtype != IntType(2 * half, False) for n in factors) or dtype != IntType(4 * half, False):
        return None
    if one_multiplier(g.clock.target, *(n.dtype for n in factors)) or not _fits(g, half):
        return None
    if not _moves(moved, product, half) or not _asks(cond, factors, half):
        return None
    return g.unit(operation(half), factors, span)[0]


def _fits(g: Graph, half: int) -> bool:
    word = IntType(half, False)
    return one_multiplier(g.clock.target, word, word)


def _moves(moved: Node, product: Node, half: int) -> bool:
    """Whether a word is the product's low bits, with zeros behind them."""
    found = pieces(moved, 0, 4 * half) or ()
    return [(p.node, p.low, p.width) for p in found] == [(None, 0, half), (product, 0, 3 * half)]


def _asks(cond: Node, factors: tuple[Node, ...], half: int) -> bool:
    """Whether a condition is that one of the factors has nothing in its high half."""
    parts = cond.args if cond.op is ops.LOR else ()
    return {*map(_emptied, parts)} == {(n, half, half) for n in factors}


def _emptied(n: Node) -> tuple[Node | None, int, int]:
    """The bits that a condition says to be 0."""
    if n.op is ops.EQ and n.args[1].kind is Kind.CONST and not n.args[1].value and n.args[0].op is ops.BITS:
        word, high, low = n.args[0].args
        return word, low.value, high.value - low.value + 1
    return None, 0, 0


@cache
def operation(half: int) -> Operation:
    """The product of words of two halves, shifted where one has an empty high half."""
    factor, whole = IntType(2 * half, False), IntType(4 * half, False)
    name = f"multiply_{factor}_{factor}_front_{half}"
    return Operation(name, name, "mul", (("a", factor), ("b", factor)), (("product", whole),), partial(_build, half))


def _build(half: int, g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
    """From the products of halves: those of the high half of `a` are `upper`, those of its low half `lower`.

    If the high half of a factor is empty, so are its products. Where that is b's, its other product with the high half
    of `a` goes to `lower`, which is all there is in either case.
    """
    zero, pair, long = g.const(0, IntType(half, False), span), IntType(2 * half, False), IntType(3 * half, False)
    (a_low, a_high), (b_low, b_high) = (_halves(g, n, span) for n in args)
    a_there, b_there = (g.apply(ops.NE, (n, zero), BOOL, span) for n in (a_high, b_high))
    hh, hl, lh, ll = (g.apply(ops.MUL, (x, y), pair, span) for x in (a_high, a_low) for y in (b_high, b_low))
    (hl_low, hl_high), (ll_low, ll_high) = (_halves(g, n, span) for n in (hl, ll))
    of = partial(Lane, Bit.PICK, 2 * half, first=b_there)
    upper = carries.summed(g, [Lane(Bit.CHOOSE, half, hl_low, first=b_there), of(hh, hl_high)], None, span)
    lower = g.apply(ops.CONCAT, (carries.summed(g, [of(ll_high, lh, hl)], None, span), ll_low), long, span)
    there = g.both(a_there, b_there, span)
    behind = _bits(g, lower, 3 * half - 1, half, span)
    lanes = [Lane(Bit.CHOOSE, half, ll_low, first=there), Lane(Bit.EITHER, 3 * half, upper, behind, lower, there)]
    return (carries.summed(g, lanes, None, span),)


def _halves(g: Graph, n: Node, span: Span) -> tuple[Node, Node]:
    """The low and the high half of a word."""
    half = n.width // 2
    return _bits(g, n, half - 1, 0, span), _bits(g, n, n.width - 1, half, span)


def _bits(g: Graph, n: Node, high: int, low: int, span: Span) -> Node:
    return g.apply(ops.BITS, (n, g.const(high, None, span), g.const(low, None, span)), None, span)
