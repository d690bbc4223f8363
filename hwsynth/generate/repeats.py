"""Loops by a condition whose body has no loop."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.dependence import memory_edges
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import RepeatPlan
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import Kind, net_dtype
from gemel.hwsynth.regions import Repeat
from gemel.hwsynth.report import LoopReport
from gemel.hwsynth.schedule import NOT_PIPELINED
from gemel.hwsynth.stages import Stages, call_next
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Expr, Ref


def plan_repeat(gen: Generator, r: Repeat) -> RepeatPlan:
    """Condition and body as one block; what the body does is under the condition."""
    g = gen.graph()
    nets = [gen.net(c.var.hint, net_dtype(c.var.dtype, c.var.span), c.var.span) for c in r.carry]
    for c, net in zip(r.carry, nets, strict=True):
        gen.nets[c.var] = gen.nets[c.result] = net
    cond = g.cast(g.expr(r.cond, None), BOOL, r.span)
    g.body(r.body, cond)
    nexts = [g.cast(g.expr(c.next, None), net.dtype, net.span) for c, net in zip(r.carry, nets, strict=True)]
    for nxt, net in zip(nexts, nets, strict=True):
        call_next(nxt, net)
    gen.schedule(g, memory_edges(g), False)
    depth = max([1 + n.ready for n in g.nodes if n.kind is not Kind.CONST], default=1)
    report = LoopReport("while", gen.depth, r.span, None, None, depth, "its condition", (r.span.line,))
    return RepeatPlan(r, g, depth, cond, nets, nexts, report)


def emit_repeat(gen: Generator, p: RepeatPlan, start: Expr) -> Expr:
    """The done pulse."""
    r = p.region
    gen.told(*p.nets)
    again = gen.net(f"again{gen.tag(r)}", BOOL, r.span, "another iteration begins")
    first = gen.bit("step", lg.either(start, Ref(again, r.span)), r.span)
    bits = gen.chain(first, p.depth, r.span, "step")
    gen.telling.row(f"step{gen.tag(r)}", 0, bits, "one-hot: the cycle of the iteration")
    gen.telling.title(f"while: an iteration takes {p.depth} cycles")
    stages = Stages(gen, gen.ports, bits, NOT_PIPELINED, r)
    go = stages.value(p.cond, p.depth - 1)
    gen.wires.append(Wire(again, lg.both(bits[-1], go)))
    for c, net, nxt in zip(r.carry, p.nets, p.nexts, strict=True):
        init = lg.cast(gen.atom(c.init), lg.net_type(Ref(net, r.span)))
        value = lg.select(start, init, stages.value(nxt, p.depth - 1))
        gen.registers.append(Register(net, value, lg.either(start, Ref(again, r.span)), None))
    gen.effects(p.graph, stages, bits)
    gen.draw(p.graph, None, p.depth)
    return lg.both(bits[-1], lg.neg(go))
