"""Local rewrites of a dataflow graph as it is built: what types and literals decide, and logic that is only wires.

Each rule gets an op's operands and result type and gives the node to use instead, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gemel.hwsynth.nodes import Kind, Node
from gemel.semantics import intervals, ops
from gemel.semantics.dtypes import BOOL, BoolType, DType, IntType, as_int, int_holding, width_of
from gemel.semantics.span import Span

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph

Rule = Callable[["Graph", "tuple[Node, ...]", DType, Span], "Node | None"]


def _literal(n: Node) -> int | None:
    return n.value if n.kind is Kind.CONST else None


def _same_type(g: Graph, n: Node, dtype: DType, span: Span) -> Node:
    return g.cast(n, dtype, span)


# --------------------------------------------------------------------------------------------------------- comparisons


def _ordered(less: bool, strict: bool) -> Rule:
    """a < b and its kin, where the types (or literals) leave no doubt."""

    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        a, b = map(_interval, args if less else args[::-1])
        if a[1] < b[0] or (not strict and a[1] <= b[0]):
            return g.const(1, BOOL, span)
        if a[0] > b[1] or (strict and a[0] >= b[1]):
            return g.const(0, BOOL, span)
        return None

    return rule


def _interval(n: Node) -> tuple[int, int]:
    value = _literal(n)
    return (value, value) if value is not None else intervals.of_type(n.dtype) or (0, 0)


def _equality(same: bool) -> Rule:
    """a == b where it can't be, is the same node, or asks for a single bit."""

    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        a, b = args
        if a is b:
            return g.const(int(same), BOOL, span)
        x, y = _interval(a), _interval(b)
        if x[1] < y[0] or y[1] < x[0]:
            return g.const(int(not same), BOOL, span)
        for value, other in ((_literal(a), b), (_literal(b), a)):
            if value is not None and _interval(other) == (0, 1):
                bit = g.cast(other, BOOL, span)
                return bit if bool(value) == same else g.apply(ops.LNOT, (bit,), BOOL, span)
        return None

    return rule


# --------------------------------------------------------------------------------------------------------------- logic


def _junction(neutral: int) -> Rule:
    """and (neutral 1), or (neutral 0)."""

    def rule(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
        a, b = args
        for value, other in ((_literal(a), b), (_literal(b), a)):
            if value is not None:
                return other if bool(value) == bool(neutral) else g.const(1 - neutral, BOOL, span)
        if a is b:
            return a
        return g.const(1 - neutral, BOOL, span) if _opposite(a, b) else None

    return rule


def _opposite(a: Node, b: Node) -> bool:
    return (a.op is ops.LNOT and a.args[0] is b) or (b.op is ops.LNOT and b.args[0] is a)


_NEGATED = {ops.EQ: ops.NE, ops.NE: ops.EQ, ops.LT: ops.GE, ops.GE: ops.LT, ops.LE: ops.GT, ops.GT: ops.LE}


def _not(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    (a,) = args
    if a.op is ops.LNOT:
        return a.args[0]
    negated = _NEGATED.get(a.op) if a.op else None
    return g.apply(negated, a.args, BOOL, span) if negated else None


def _select(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    cond, a, b = args
    value = _literal(cond)
    if value is not None:
        return _same_type(g, a if value else b, dtype, span)
    if a is b:
        return _same_type(g, a, dtype, span)
    if cond.op is ops.LNOT:
        return g.apply(ops.SELECT, (cond.args[0], b, a), dtype, span)
    if (_literal(a), _literal(b)) == (1, 0) and isinstance(dtype, IntType):
        return g.cast(cond, dtype, span)
    return _select_of_bools(g, cond, a, b, span) if isinstance(dtype, BoolType) else None


def _select_of_bools(g: Graph, cond: Node, a: Node, b: Node, span: Span) -> Node | None:
    if _literal(a) is not None:  # c ? 1 : b = c or b; c ? 0 : b = not c and b
        side = cond if _literal(a) else g.apply(ops.LNOT, (cond,), BOOL, span)
        return g.apply(ops.LOR if _literal(a) else ops.LAND, (side, b), BOOL, span)
    if _literal(b) is not None:  # c ? a : 1 = not c or a; c ? a : 0 = c and a
        side = g.apply(ops.LNOT, (cond,), BOOL, span) if _literal(b) else cond
        return g.apply(ops.LOR if _literal(b) else ops.LAND, (side, a), BOOL, span)
    return None


# ---------------------------------------------------------------------------------------------------------------- wires


def _cast(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    (a,) = args
    if a.dtype == dtype:
        return a
    if a.op is ops.CAST and not isinstance(dtype, BoolType) and not isinstance(a.dtype, BoolType):
        inner = a.args[0]
        if width_of(dtype) <= width_of(a.dtype) or _widens(inner.dtype, a.dtype):
            return g.cast(inner, dtype, span)
    if a.op is ops.CONCAT and isinstance(dtype, IntType) and dtype.width < width_of(a.dtype):
        return g.cast(_low_part(g, a, dtype.width, span), dtype, span)
    return None


def _bits(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """Bits of what is only wires, from where these come."""
    source, high, low = args[0], _literal(args[1]), _literal(args[2])
    if high is None or low is None:
        return None
    n, hi, lo = source, high, low
    while (found := _within(n, hi, lo)) is not None:
        n, hi, lo = found
    if hi - lo + 1 == width_of(n.dtype):
        return g.cast(n, dtype, span)
    bounds = (g.const(b, int_holding(0, b), span) for b in (hi, lo))
    return None if n is source else g.apply(ops.BITS, (n, *bounds), dtype, span)


def _within(n: Node, hi: int, lo: int) -> tuple[Node, int, int] | None:
    """The operand of a joined, cut or converted value that has some bits of it, and which these are there.

    What has a name in the source stays: it is easier to read.
    """
    if n.hint:
        return None
    if n.op is ops.CONCAT:
        a, b = n.args
        width = width_of(b.dtype)
        return (a, hi - width, lo - width) if lo >= width else (b, hi, lo) if hi < width else None
    if n.op is ops.BITS and (first := _literal(n.args[2])) is not None:
        return n.args[0], hi + first, lo + first
    if n.op is ops.CAST and not isinstance(n.dtype, BoolType) and hi < width_of(n.args[0].dtype):
        return n.args[0], hi, lo
    return None


def _low_part(g: Graph, joined: Node, width: int, span: Span) -> Node:
    high, low = joined.args
    rest = width - width_of(low.dtype)
    if rest <= 0:
        return g.cast(low, IntType(width, False), span)
    return g.apply(ops.CONCAT, (g.cast(high, IntType(rest, False), span), low), None, span)


def _widens(inner: DType, outer: DType) -> bool:
    """Whether a cast keeps every value."""
    a, b = as_int(inner), as_int(outer)
    return a is not None and b is not None and b.lo <= a.lo and a.hi <= b.hi


def _disjoint(g: Graph, args: tuple[Node, ...], dtype: DType, span: Span) -> Node | None:
    """x << k with a y of at most k bits: or, xor and sum of the two put them side by side."""
    for shifted, low in (args, args[::-1]):
        found = _shifted(shifted)
        y = as_int(low.dtype)
        if found is None or y is None or y.signed or isinstance(low.dtype, BoolType):
            continue
        x, k, width = found
        if y.width > k or width <= k:
            continue
        top = g.cast(x, IntType(width - k, False), span)
        joined = g.apply(ops.CONCAT, (top, g.cast(low, IntType(k, False), span)), None, span)
        whole = as_int(shifted.dtype)
        return g.cast(g.cast(joined, whole, span) if whole and whole.width == width else joined, dtype, span)
    return None


def _shifted(n: Node) -> tuple[Node, int, int] | None:
    """x, k and the bits that are left of x << k, where a node is that."""
    if n.op is ops.CAST and _widens(n.args[0].dtype, n.dtype) and _interval(n.args[0])[0] == 0:
        n = n.args[0]
    width = width_of(n.dtype)
    if n.op is ops.CAST and width <= width_of(n.args[0].dtype) and not isinstance(n.dtype, BoolType):
        n = n.args[0]
    if n.op is not ops.SHL:
        return None
    k = _literal(n.args[1])
    return (n.args[0], k, width) if k and k > 0 else None


RULES: dict[ops.Op, Rule] = {
    ops.LT: _ordered(True, True),
    ops.LE: _ordered(True, False),
    ops.GT: _ordered(False, True),
    ops.GE: _ordered(False, False),
    ops.EQ: _equality(True),
    ops.NE: _equality(False),
    ops.LAND: _junction(1),
    ops.LOR: _junction(0),
    ops.LNOT: _not,
    ops.SELECT: _select,
    ops.CAST: _cast,
    ops.BITS: _bits,
    ops.OR: _disjoint,
    ops.XOR: _disjoint,
    ops.ADD: _disjoint,
}
