"""The text of a pipeline stage by stage: the logic of each, and the registers at its end."""

from __future__ import annotations

from gemel.hwsynth.dag import nets_in
from gemel.hwsynth.netcheck import ordered_wires
from gemel.hwsynth.netlist import Layout, Module, Part
from gemel.semantics.ir import Expr, Var


def stage_by_stage(m: Module) -> Layout:
    """The layout of a module whose registers are those of a pipeline: no value comes back to an earlier stage."""
    at = _Stages(m)
    placed = {w.var: at.of(w.var) for w in ordered_wires(m)}
    placed |= {r.var: at.of(r.var) - 1 for r in m.registers}
    parts = {n: Part(f"stage {n + 1}", m.span) for n in sorted(set(placed.values()))}
    return Layout({v: parts[n] for v, n in sorted(placed.items(), key=lambda item: item[1])})


class _Stages:
    """The stage in which each net has its value: that of the latest that it is made of."""

    def __init__(self, m: Module) -> None:
        self.known = {i.var: 0 for i in m.inputs}
        self.from_: dict[Var, tuple[tuple[Expr, ...], int]] = {w.var: ((w.value,), 0) for w in m.wires}
        self.from_ |= {r.var: ((r.next,), 1) for r in m.registers}
        self.from_ |= {p.data: ((p.addr,), 1) for x in m.memories for p in x.reads}
        for i in m.instances:
            cycles = i.module.contract.latency if i.module.contract else 0
            self.from_ |= dict.fromkeys(i.outputs.values(), (tuple(i.inputs.values()), cycles))

    def of(self, v: Var) -> int:
        """The stage of a net, counted from 0."""
        todo = [v]
        while todo:  # operands first, and not by recursion
            exprs, cycles = self.from_.get(todo[-1], ((), 0))
            missing = [n for n in nets_in(exprs) if n not in self.known]
            todo += missing
            if not missing:
                self.known[todo.pop()] = cycles + max((self.known[n] for n in nets_in(exprs)), default=0)
        return self.known[v]
