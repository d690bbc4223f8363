"""Branches around regions."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import BranchPlan, Emitter, Planner
from gemel.hwsynth.netlist import Register
from gemel.hwsynth.nodes import net_dtype
from gemel.hwsynth.regions import Branch
from gemel.semantics.ir import Expr, Ref


def plan_branch(gen: Generator, r: Branch, plan: Planner) -> BranchPlan:
    """Both sides, and the nets of what they choose."""
    then, orelse = plan(gen, r.then), plan(gen, r.orelse)
    for m in r.merges:
        gen.nets[m.var] = gen.net(m.var.hint, net_dtype(m.var.dtype, m.var.span), m.var.span)
    return BranchPlan(r, then, orelse)


def emit_branch(gen: Generator, p: BranchPlan, start: Expr, emit: Emitter) -> Expr:
    """The done pulse of a branch around regions, which `emit` generates."""
    r = p.region
    cond = gen.atom(r.cond)
    dones = []
    for side, taken in ((p.then, cond), (p.orelse, lg.neg(cond))):
        pulse = lg.both(start, taken)
        dones.append(emit(gen, side, pulse) if side.plans else gen.bit("skip", pulse, r.span))
    for m in r.merges:
        net = gen.nets[m.var]
        a, b = (lg.cast(gen.atom(e), lg.net_type(Ref(net, net.span))) for e in (m.then, m.orelse))
        gen.registers.append(Register(net, lg.select(dones[0], a, b), lg.either(*dones), None))
    done = lg.either(*dones)
    return gen.bit("joined", done, r.span) if any(m.var in gen.early for m in r.merges) else done
