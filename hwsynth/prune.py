"""Removes logic that no output and no instance depends on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gemel.hwsynth.dag import memory_exprs, nets_in, register_exprs
from gemel.hwsynth.netlist import Module
from gemel.semantics.ir import Expr, Var


def prune(m: Module) -> Module:
    """The module without wires, registers, read ports and memories that no output and no instance depends on."""
    live = _live_nets(m)
    memories = [replace(x, reads=tuple(p for p in x.reads if p.data in live)) for x in m.memories]
    return replace(
        m,
        wires=tuple(w for w in m.wires if w.var in live),
        registers=tuple(r for r in m.registers if r.var in live),
        memories=tuple(x for x in memories if x.reads or x.observed),
    )


def _live_nets(m: Module) -> set[Var]:
    reads: dict[Var, Iterable[Expr]] = {w.var: (w.value,) for w in m.wires}
    reads |= {r.var: register_exprs(r) for r in m.registers}
    reads |= {p.data: memory_exprs(memory) for memory in m.memories for p in memory.reads}
    observed = [e for memory in m.memories if memory.observed for e in memory_exprs(memory)]
    todo = nets_in([o.value for o in m.outputs] + [e for i in m.instances for e in i.inputs.values()] + observed)
    live: set[Var] = set()
    while todo:
        v = todo.pop()
        if v not in live:
            live.add(v)
            todo.extend(nets_in(reads.get(v, ())))
    return live
