"""Blocks: a chain of bits that one pulse runs through."""

from __future__ import annotations

from gemel.hwsynth.count import Fixed
from gemel.hwsynth.dependence import memory_edges
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import BlockPlan
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.regions import Block
from gemel.hwsynth.schedule import NOT_PIPELINED
from gemel.hwsynth.stages import Stages
from gemel.semantics.ir import Expr, Var


def plan_block(gen: Generator, r: Block) -> BlockPlan:
    """A block's graph and schedule."""
    g = gen.graph()
    g.body(tuple(r.body), None)
    gen.schedule(g, memory_edges(g), False)
    exports = [(v, n) for v, n in g.env.items() if gen.used.get(v, set()) - {id(r)}]
    depth = max([1 + n.ready for n in g.nodes if n.kind is not Kind.CONST], default=1)
    depth = max([depth, *(n.ready + 2 for v, n in exports if v in gen.early and _is_computed(n))])
    for v, n in exports:
        _export(gen, v, n)
    return BlockPlan(r, g, depth, exports, Fixed(depth))


def _export(gen: Generator, v: Var, n: Node) -> None:
    """The net of a value that other regions use: the register that keeps it, or where it is already."""
    if n.kind is Kind.INPUT and n.var is not None:
        gen.nets[v] = n.var
        return
    if n.kept_in is None:
        n.kept_in = Var(f"{n.hint}_q" if n.hint and n.kind is Kind.OP else n.hint or v.hint, n.dtype, n.span)
    gen.nets[v] = n.kept_in


def emit_block(gen: Generator, p: BlockPlan, start: Expr) -> Expr:
    """A block's done pulse."""
    r, depth = p.region, p.depth
    bits = gen.chain(gen.bit("step", start, r.span), depth, r.span, "step")
    gen.telling.row(f"step{gen.tag(r)}", 0, bits, "one-hot: the cycle")
    gen.telling.title(f"straight-line code: {depth} cycle{'s' * (depth > 1)}")
    gen.told(*(n.kept_in for _, n in p.exports))
    stages = Stages(gen, gen.ports, bits, NOT_PIPELINED, r, [n for _, n in p.exports])
    gen.effects(p.graph, stages, bits)
    gen.draw(p.graph, None, p.depth)
    for n in dict.fromkeys(n for _, n in p.exports if n.kept_in is not None):
        stages.keep(n)
    return bits[-1]


def _is_computed(n: Node) -> bool:
    return n.kind not in (Kind.CONST, Kind.INPUT)
