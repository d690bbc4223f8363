"""Regions one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.hwsynth.count import Count, Fixed, total
from gemel.hwsynth.generate.blocks import emit_block, plan_block
from gemel.hwsynth.generate.branches import emit_branch, plan_branch
from gemel.hwsynth.generate.loops import emit_loop, plan_loop
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.pipes import emit_pipe, plan_pipe
from gemel.hwsynth.generate.plans import BlockPlan, BranchPlan, LoopPlan, PipePlan, Plan, RepeatPlan
from gemel.hwsynth.generate.repeats import emit_repeat, plan_repeat
from gemel.hwsynth.regions import Block, Branch, Choice, Loop, Pipe, Region, Repeat, label
from gemel.semantics.ir import Expr


def plan(gen: Generator, regions: Sequence[Region]) -> list[Plan]:
    """What is decided of regions that run one after the other."""
    return [_planned(gen, r) for r in regions]


def cycles_of(plans: Sequence[Plan]) -> Count | None:
    """The cycles of regions one after the other."""
    return total(Fixed(0), *(p.cycles for p in plans))


def _planned(gen: Generator, r: Region) -> Plan:
    match r:
        case Block():
            return plan_block(gen, r)
        case Pipe():
            made = plan_pipe(gen, r)
            gen.loops.append(made.report)
            return made
        case Choice():
            return _chosen(gen, r)
        case Repeat():
            again = plan_repeat(gen, r)
            gen.loops.append(again.report)
            return again
        case Loop():
            return plan_loop(gen, r, plan)
        case Branch():
            return plan_branch(gen, r, plan)


def _chosen(gen: Generator, r: Choice) -> Plan:
    """The option that takes the fewest cycles, the first of several; stages of large units have their price."""
    before = gen.noted()
    tried = []
    for option in r.options:
        gen.restore(before)
        made = _planned(gen, option)
        tried.append((gen.cost(made.cycles) * (STAGES if _in_stages(made) else 1), made, gen.noted()))
    _, best, after = min(tried, key=lambda t: t[0])
    gen.restore(after)
    return best


STAGES = 1.7
"""Cycles that are worth a pipelined unit, such as a divider, where a serial one could do."""


def _in_stages(p: Plan) -> bool:
    """Whether operations that a serial unit could do are done by a pipelined one, of many times the area."""
    match p:
        case BlockPlan() | PipePlan() | RepeatPlan():
            units = [(n.operation, n.unit) for n in p.graph.nodes]
            return any(op and op.iteration and unit and unit.interval == 1 for op, unit in units)
        case LoopPlan():
            return any(map(_in_stages, (*p.test, *p.body)))
        case BranchPlan():
            return any(map(_in_stages, (*p.then, *p.orelse)))


def emit(gen: Generator, plans: Sequence[Plan], start: Expr) -> Expr:
    """The netlist of regions one after the other: the last one's done pulse."""
    for p in plans:
        with gen.telling.part(_title(p), p.region.span):
            start = _emitted(gen, p, gen.named(f"start_{label(p.region)}", start, p.region.span))
    return start


def _emitted(gen: Generator, p: Plan, start: Expr) -> Expr:
    match p:
        case BlockPlan():
            return emit_block(gen, p, start)
        case PipePlan():
            return emit_pipe(gen, p, start)
        case RepeatPlan():
            return emit_repeat(gen, p, start)
        case LoopPlan():
            return emit_loop(gen, p, start, emit)
        case BranchPlan():
            return emit_branch(gen, p, start, emit)


def _title(p: Plan) -> str:
    match p:
        case BlockPlan():
            return "straight-line code"
        case PipePlan():
            return f"loop {', '.join(s.var.hint for s in p.region.loops)}"
        case RepeatPlan():
            return "while"
        case LoopPlan():
            counter = p.region.counter
            return f"loop {counter.var.hint}, around what follows" if counter else "while, around what follows"
        case BranchPlan():
            return "if, around what follows"
