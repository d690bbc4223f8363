"""Blocks: a chain of bits that one pulse runs through."""

from __future__ import annotations

from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.regions import (
    Block,
)
from gemel.hwsynth.schedule import NOT_PIPELINED
from gemel.hwsynth.stages import Stages
from gemel.semantics.ir import Expr


def block(gen: Generator, r: Block, start: Expr) -> tuple[Expr, int | None]:
    """A block's done pulse and its cycles."""
    g = gen.graph()
    g.body(tuple(r.body), None)
    gen.schedule(g, [], False)
    exported = [v for v in g.env if gen.used.get(v, set()) - {id(r)}]
    depth = max([1 + n.ready for n in g.nodes if n.kind is not Kind.CONST], default=1)
    depth = max([depth, *(g.env[v].ready + 2 for v in exported if v in gen.early and _is_computed(g.env[v]))])
    bits = gen.chain(gen.bit("step", start, r.span), depth, r.span, "step")
    gen.telling.row(f"step{gen.tag(r)}", 0, bits, "one-hot: the cycle")
    gen.telling.title(f"straight-line code: {depth} cycle{'s' * (depth > 1)}")
    stages = Stages(gen, gen.ports, bits, NOT_PIPELINED, [g.env[v] for v in exported])
    gen.effects(g, stages, bits)
    for v in exported:
        gen.define(v, stages.kept(g.env[v], v.hint))
    return bits[-1], depth


def _is_computed(n: Node) -> bool:
    return n.kind not in (Kind.CONST, Kind.INPUT)
