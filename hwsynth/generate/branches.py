"""Branches around regions."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.generate.pieces import Generator, Sequencer
from gemel.hwsynth.netlist import Register
from gemel.hwsynth.nodes import net_dtype
from gemel.hwsynth.regions import (
    Branch,
)
from gemel.semantics.ir import Expr


def branch(gen: Generator, r: Branch, start: Expr, sequence: Sequencer) -> Expr:
    """The done pulse of a branch around regions, which `sequence` generates."""
    cond = gen.atom(r.cond)
    dones = []
    for side, taken in ((r.then, cond), (r.orelse, lg.neg(cond))):
        pulse = lg.both(start, taken)
        if side:
            done, _ = sequence(gen, side, pulse)
        else:
            done = gen.bit("skip", pulse, r.span)
        dones.append(done)
    for m in r.merges:
        dtype = net_dtype(m.var.dtype, m.var.span)
        net = gen.net(m.var.hint, dtype, m.var.span)
        gen.nets[m.var] = net
        a, b = (lg.cast(gen.atom(e), dtype) for e in (m.then, m.orelse))
        gen.registers.append(Register(net, lg.select(dones[0], a, b), lg.either(*dones), None))
    done = lg.either(*dones)
    return gen.bit("joined", done, r.span) if any(m.var in gen.early for m in r.merges) else done
