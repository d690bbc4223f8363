"""Floats in a dataflow graph: a value is the word of its pattern, an operator is integer logic or a functional unit.

Signs, comparisons and choices are logic in place. Each other operator has its own unit, an elementary function one that
uses those of the operators that the op tower makes it of.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gemel.hwsynth import logic as lg
from gemel.hwsynth.nodes import Node, net_dtype
from gemel.hwsynth.units import Operation
from gemel.semantics import floats, ops, tower
from gemel.semantics.dtypes import BOOL, DType, FloatType
from gemel.semantics.ir import Apply, Buffer, Const, Let, Load, Ref
from gemel.semantics.span import Span
from gemel.semantics.tower import Definition
from gemel.semantics.tower.formula import UNNAMED
from gemel.semantics.traverse import all_exprs, subexprs

if TYPE_CHECKING:
    from gemel.hwsynth.dfg import Graph


def concerns(e: Apply) -> bool:
    """Whether an operator takes or gives a float."""
    return isinstance(e.dtype, FloatType) or any(isinstance(a.dtype, FloatType) for a in e.args)


def literal(e: Const) -> Const:
    """A literal as the word of its pattern where it is a float, else as it is."""
    return lg.constant(e) if isinstance(e.dtype, FloatType) else e


def applied(g: Graph, e: Apply, args: tuple[Node, ...]) -> Node:
    """The node of an operator on floats, of the words of its operands."""
    span = e.span
    args = tuple(g.cast(n, net_dtype(a.dtype, span), span) for n, a in zip(args, e.args, strict=True))
    if e.op is ops.SELECT:
        return g.apply(ops.SELECT, args, net_dtype(e.dtype, span), span)
    if e.op is ops.BITCAST:
        return _bitcast(g, e, args[0])
    if e.op is ops.NEG and isinstance(e.dtype, FloatType):
        return _negated(g, e.dtype, args[0], span)
    args = tuple(g.flipped.get(a, a) for a in args)
    source = e.args[0].dtype
    if e.op in floats.IN_PLACE or e.dtype == BOOL:
        return inlined(g, floats.definition(e.op, source, e.dtype), args, span)[0]
    return g.unit(operation(e.op, source, e.dtype), args, span)[0]


def _bitcast(g: Graph, e: Apply, x: Node) -> Node:
    source, span = e.args[0].dtype, e.span
    number = isinstance(e.args[0], Ref) and e.args[0].var in g.numbers
    if isinstance(source, FloatType) and source != e.dtype and not number:
        (x,) = inlined(g, floats.definition(ops.BITCAST, source, source), (x,), span)
    return g.cast(x, net_dtype(e.dtype, span), span)


def _negated(g: Graph, dtype: FloatType, x: Node, span: Span) -> Node:
    """The value with its sign flipped, NaN without sign; what takes any NaN may take it without that."""
    x = g.flipped.get(x, x)
    (plain,) = inlined(g, floats.definition(ops.NEG, dtype, dtype), (x,), span)
    (made,) = inlined(g, floats.definition(ops.BITCAST, dtype, dtype), (plain,), span)
    g.flipped[made] = plain
    return made


def inlined(g: Graph, made: Definition, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
    """The result of a definition in the graph; what it is made of stands for the line that asks for it."""
    before = len(g.nodes)
    g.env |= dict(zip(made.params, args, strict=True))
    g.depth_of = {**g.depth_of, **{b: len(b.data) for b in _tables(made) if b.data is not None}}
    g.numbers |= made.numbers
    for let in _needed(made):
        node = g.env[let.var] = _scaled(g, made, let, span) or g.expr(let.value, None)
        node.hint = node.hint or let.var.hint * (let.var.hint != UNNAMED)
    result = g.expr(made.result, None)
    if made.rare is not None and made.otherwise is not None:
        rare = g.expr(made.rare, None)
        (other,) = inlined(g, made.otherwise, args, span)
        result = g.apply(ops.SELECT, (rare, other, result), result.dtype, span)
    for node in g.nodes[before:]:
        node.span = node.span if node.span.line else span
    return (result,)


def _scaled(g: Graph, made: Definition, let: Let, span: Span) -> Node | None:
    """What is x * 2**k by the unit for that."""
    if let.var not in made.scaled or not isinstance(let.var.dtype, FloatType):
        return None
    args = tuple(g.expr(e, None) for e in made.scaled[let.var])
    return g.unit(_operation(floats.scaling(let.var.dtype)), args, span)[0]


@cache
def _needed(made: Definition) -> tuple[Let, ...]:
    """The lets that the result needs; what is x * 2**k needs but these."""
    ends = [made.result, *([made.rare] if made.rare is not None else [])]
    needed = {x.var for e in ends for x in subexprs(e) if isinstance(x, Ref)}
    kept = []
    for let in reversed(made.lets):
        if let.var in needed:
            kept.append(let)
            parts = made.scaled.get(let.var, (let.value,))
            needed |= {x.var for e in parts for x in subexprs(e) if isinstance(x, Ref)}
    return tuple(reversed(kept))


def _tables(made: Definition) -> list[Buffer]:
    found = [e.buffer for e in all_exprs(made.lets) if isinstance(e, Load)]
    return list(dict.fromkeys(found))


@cache
def operation(op: ops.Op, source: DType, target: DType) -> Operation:
    """What the unit of an operator does."""
    if op in ops.ELEMENTARY and isinstance(target, FloatType):
        return _operation(tower.definition(op, target), f"{target}_{op.name}")
    return _operation(floats.definition(op, source, target))


@cache
def _operation(made: Definition, name: str = "") -> Operation:
    name = name or made.name
    types = [net_dtype(p.dtype, p.span) for p in made.params]
    inputs = tuple(zip("abc", types, strict=False))
    output = (("result", net_dtype(made.result.dtype, made.result.span)),)

    def build(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        return inlined(g, made, args, span)

    return Operation(("float", name), name, name, inputs, output, build)
