"""Sequences of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gemel.hwsynth.charts import Stretch
from gemel.hwsynth.generate.blocks import emit_block, plan_block
from gemel.hwsynth.generate.branches import emit_branch, plan_branch
from gemel.hwsynth.generate.joining import joined
from gemel.hwsynth.generate.loops import emit_loop, plan_loop
from gemel.hwsynth.generate.overlap import arranged, times_of
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.pipes import emit_pipe, plan_pipe
from gemel.hwsynth.generate.plans import BlockPlan, BranchPlan, LoopPlan, PipePlan, Plan, RepeatPlan, Series, StagedPlan
from gemel.hwsynth.generate.repeats import emit_repeat, plan_repeat
from gemel.hwsynth.generate.staged import emit_staged, plan_staged, turns_of
from gemel.hwsynth.regions import Block, Branch, Choice, Loop, Pipe, Region, Repeat, Staged, label
from gemel.semantics.ir import Expr
from gemel.semantics.span import Span


def plan(gen: Generator, regions: Sequence[Region]) -> Series:
    """What is decided of a sequence of regions."""
    return arranged(gen, [_planned(gen, r) for r in regions])


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
        case Staged():
            return plan_staged(gen, r, _planned)
        case Branch():
            return plan_branch(gen, r, plan)


def _chosen(gen: Generator, r: Choice) -> Plan:
    """The option that takes the fewest cycles, the first of several; stages of large units have their price."""
    before = gen.noted()
    tried = []
    for option in r.options:
        gen.restore(before)
        made = _planned(gen, option)
        tried.append((gen.cost(made.cycles) * _price(made), made, gen.noted()))
    _, best, after = min(tried, key=lambda t: t[0])
    gen.restore(after)
    return best


STAGES = 1.7
"""Cycles that are worth a pipelined unit, such as a divider, where a serial one could do."""


TWICE = 1.05
"""Cycles that are worth a second copy of arrays."""


def _price(p: Plan) -> float:
    return (STAGES if _in_stages(p) else 1.0) * (TWICE if isinstance(p, StagedPlan) else 1.0)


def _in_stages(p: Plan) -> bool:
    """Whether operations that a serial unit could do are done by a pipelined one, of many times the area."""
    match p:
        case BlockPlan() | PipePlan() | RepeatPlan():
            units = [(n.operation, n.unit) for n in p.graph.nodes]
            return any(op and op.iteration and unit and unit.interval == 1 for op, unit in units)
        case LoopPlan():
            return any(map(_in_stages, (*p.test.plans, *p.body.plans)))
        case StagedPlan():
            return any(map(_in_stages, p.turn.plans))
        case BranchPlan():
            return any(map(_in_stages, (*p.then.plans, *p.orelse.plans)))


def emit(gen: Generator, series: Series, start: Expr) -> Expr:
    """The netlist of a sequence of regions: the pulse at which all are done."""
    ends = _Ends(gen, start)
    for p, waits in zip(series.plans, series.waits, strict=True):
        ends.add(p, waits, _part(gen, p, ends.all_of(waits, p.region.span)))
    return ends.all_of(series.last(), series.plans[-1].region.span) if series.plans else start


def _part(gen: Generator, p: Plan, start: Expr) -> Expr:
    """The done pulse of a region, which is a part of the text."""
    with gen.telling.part(_title(p), p.region.span):
        return _emitted(gen, p, gen.named(f"start_{label(p.region)}", start, p.region.span))


@dataclass
class _Ends:
    """The done pulses of regions so far, and in which cycle after `start` they come, where that is always the same."""

    gen: Generator
    start: Expr
    pulses: list[Expr] = field(default_factory=list)
    times: list[int | None] = field(default_factory=list)

    def add(self, p: Plan, waits: Sequence[int], done: Expr) -> None:
        """Notes the end of a region that began when others had ended."""
        known, own = [self.times[k] for k in waits], self.gen.known(p.cycles)
        begin = max((t for t in known if t is not None), default=0)
        self.times.append(None if own is None or None in known else begin + own)
        self.pulses.append(done)

    def all_of(self, some: Sequence[int], span: Span) -> Expr:
        """The pulse at which the last one of some ends."""
        known = [k for k in some if self.times[k] is not None]
        last = max(known, key=lambda k: self.times[k] or 0, default=None)
        pulses = [self.pulses[k] for k in some if k == last or k not in known]
        return joined(self.gen, pulses, span) if pulses else self.start


def stretches(gen: Generator, series: Series) -> tuple[Stretch, ...]:
    """When regions run, where that is known and some run at the same time."""
    if any(gen.known(p.cycles) is None for p in series.plans):
        return ()
    found: list[Stretch] = []
    for n, (begin, end) in times_of(gen, series, range(len(series.plans)), 0).items():
        p = series.plans[n]
        turns = turns_of(gen, p, begin) if isinstance(p, StagedPlan) else []
        found += [Stretch(_title(x), x.region.span, *at) for x, at in turns] or [
            Stretch(_title(p), p.region.span, begin, end)
        ]
    return tuple(found) if any(a.end > b.begin for a, b in pairwise(found)) else ()


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
        case StagedPlan():
            return emit_staged(gen, p, start, _part)
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
        case StagedPlan():
            return f"loop {p.report.name}, in {len(p.banks)} stages that follow"
        case BranchPlan():
            return "if, around what follows"
