"""Nests in stages: in each turn every stage does its part of an iteration, one iteration ahead of the stage after it.

A turn begins the regions of all stages that have an iteration and ends with the last of them. Stage 0 counts; counters,
copies and whether there is an iteration move on to the next stage when a turn ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise

from gemel.hwsynth import logic as lg
from gemel.hwsynth.capacity import check_capacity
from gemel.hwsynth.count import Count, Fixed, Turns, total
from gemel.hwsynth.generate.joining import joined
from gemel.hwsynth.generate.overlap import arranged, cycles_of, times_of
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import Plan, Series, StagedPlan
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.regions import Block, Region, Stage, Staged, constant_bounds
from gemel.hwsynth.report import LoopReport
from gemel.semantics import build
from gemel.semantics.dtypes import BOOL, int_holding
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Expr, For, Ref, Var

MOST_SHOWN = 300
"""Runs of regions in a picture."""

# ------------------------------------------------------------------------------------------------------------ planning


def plan_staged(gen: Generator, r: Staged, plan: Callable[[Generator, Region], Plan]) -> StagedPlan:
    """A nest's stages and, by `plan`, the regions in them."""
    gen.ports.double(r.twins)
    slot = len(gen.loops)
    counters = [[_counter(gen, s, v) for s, v in zip(r.loops, x.counters, strict=True)] for x in r.stages]
    banks = [gen.net("bank", BOOL, r.span) for _ in r.stages]
    plans = [(n, p) for n, x in enumerate(r.stages) for p in _stage(gen, r, x, banks[n], plan)]
    stage = [n for n, _ in plans]
    turn = arranged(gen, [p for _, p in plans], stage)
    wait = _waits(gen, r, turn)
    each = gen.known(total(turn.cycles, Fixed(int(wait))))
    count = _cycles(r, turn, stage, wait) if each is not None and _fits(gen) else None
    name = ", ".join(s.var.hint for s in r.loops)
    bound = f"{len(r.stages)} stages, each an iteration ahead of the next"
    report = LoopReport(name, gen.depth, r.span, _trips(r), None, each, bound, ())
    gen.loops.insert(slot, report)
    return StagedPlan(r, counters, banks, turn, stage, wait, report, count)


def _counter(gen: Generator, s: For, own: Var) -> Var:
    values = constant_bounds(s) or range(1)
    gen.nets[own] = net = gen.net(s.var.hint, int_holding(min(values), max(values)), s.var.span)
    return net


def _stage(gen: Generator, r: Staged, x: Stage, bank: Var, plan: Callable[[Generator, Region], Plan]) -> Sequence[Plan]:
    """The regions of one stage, with its own counters and its copy of the arrays."""
    around, banks = list(gen.around), gen.banks
    gen.around += [replace(s, var=v) for s, v in zip(r.loops, x.counters, strict=True)]
    gen.nets[x.bank], gen.banks = bank, {**banks, **dict.fromkeys(r.twins, x.bank)}
    gen.depth += 1
    made = [plan(gen, inner) for inner in x.body]
    gen.depth -= 1
    gen.around, gen.banks = around, banks
    return made


def _waits(gen: Generator, r: Staged, turn: Series) -> bool:
    """Whether a turn begins a cycle late, where control reads a counter that changes as it begins."""
    changing = {v for x in r.stages for v in x.counters}
    return not (all(isinstance(x, Block) for x in turn.first()) or not changing & gen.early)


def _fits(gen: Generator) -> bool:
    try:
        check_capacity(gen.ports.internal, gen.ports.depths, gen.clock.target)
    except SynthesisError:
        return False
    return True


def _trips(r: Staged) -> int:
    return reduce(lambda n, s: n * len(constant_bounds(s) or ()), r.loops, 1)


def _cycles(r: Staged, turn: Series, stage: Sequence[int], wait: bool) -> Count | None:
    """The turns in which all stages have an iteration, and those at the begin and the end in which only some do."""
    last = len(r.stages) - 1

    def of(first: int, end: int) -> Count | None:
        some = [n for n, s in enumerate(stage) if first <= s < end]
        return total(cycles_of(turn.plans, turn.waits, some), Fixed(int(wait)))

    full = of(0, last + 1)
    if full is None:
        return None
    middle = Turns(r.loops[0].var, build.index(0, r.span), build.index(_trips(r) - last, r.span), 1, full)
    return total(middle, *(of(0, n) for n in range(1, last + 1)), *(of(n, last + 1) for n in range(1, last + 1)))


def turns_of(gen: Generator, p: StagedPlan, begin: int) -> list[tuple[Plan, tuple[int, int]]]:
    """When each region runs in each turn; nothing where these are too many to be shown."""
    trips, stages = _trips(p.region), len(p.banks)
    if trips * len(p.stage) > MOST_SHOWN:
        return []
    found: list[tuple[Plan, tuple[int, int]]] = []
    for t in range(trips + stages - 1):
        some = [n for n, s in enumerate(p.stage) if 0 <= t - s < trips]
        times = times_of(gen, p.turn, some, begin + int(p.wait))
        found += [(p.turn.plans[n], at) for n, at in times.items()]
        begin = max(end for _, end in times.values())
    return found


# ------------------------------------------------------------------------------------------------------------- netlist


def emit_staged(gen: Generator, p: StagedPlan, start: Expr, part: Callable[[Generator, Plan, Expr], Expr]) -> Expr:
    """The done pulse of a nest in stages; `part` generates a region."""
    span, last = p.region.span, len(p.banks) - 1
    gen.told(*(v for nets in p.counters for v in nets), *p.banks)
    enter = Ref(gen.net("enter", BOOL, span, "a turn begins"), span)
    done = Ref(gen.net("turn_done", BOOL, span), span)
    busy = [Ref(gen.net("stage", BOOL, span), span) for _ in p.banks]
    gen.telling.row(f"stage{gen.tag(p.region)}", 0, busy, "the stages that have an iteration")
    at_end = _counters(gen, p, start, done)
    more = lg.both(busy[0], lg.neg(at_end))
    coming = [lg.either(start, more), *busy[:-1]]
    for own, now, nxt in zip(busy, busy, coming, strict=True):
        value = lg.select(done, nxt, lg.either(start, now) if own is busy[0] else now)
        alive = value if gen.kill is None else lg.both(value, lg.neg(Ref(gen.kill, span)))
        gen.registers.append(Register(own.var, alive, None, 0))
    first = gen.bit("turn", enter, span) if p.wait else enter
    if not p.wait:
        coming[1:] = [lg.both(e, lg.neg(start)) for e in coming[1:]]
    turn = _Turn(gen, p, first, busy, busy if p.wait else [gen.named("coming", e, span) for e in coming])
    for n, region in enumerate(p.turn.plans):
        turn.dones.append(part(gen, region, turn.begin(n)))
    gen.wires.append(Wire(done.var, turn.end()))
    others = lg.any_of(busy[:last])
    gen.wires.append(Wire(enter.var, lg.either(start, lg.both(done, others))))
    return lg.both(done, lg.neg(others))


def _counters(gen: Generator, p: StagedPlan, start: Expr, done: Expr) -> Expr:
    """The registers of counters and copies; whether stage 0 has the last iteration."""
    span = p.region.span
    advance, last = done, lg.TRUE
    for s, net in reversed(list(zip(p.region.loops, p.counters[0], strict=True))):
        values, now = constant_bounds(s) or range(1), Ref(net, s.span)
        dtype = lg.net_type(now)
        ends = lg.equal(now, values[-1])
        low, following = lg.number(values[0], dtype), lg.add(now, values.step, dtype)
        nxt = lg.select(lg.either(start, ends), low, following)
        gen.registers.append(Register(net, nxt, lg.either(start, advance), None))
        advance, last = lg.both(advance, ends), lg.both(last, ends)
    moving = [list(x) for x in zip(*p.counters, strict=True)] + [p.banks]
    for nets in moving:
        for before, net in pairwise(nets):
            gen.registers.append(Register(net, Ref(before, span), done, None))
    turned = lg.both(lg.neg(start), lg.neg(Ref(p.banks[0], span)))
    gen.registers.append(Register(p.banks[0], turned, lg.either(start, done), None))
    return last


@dataclass
class _Turn:
    """The pulses of a turn: `busy` says which stages have an iteration, `coming` the same where the turn begins."""

    gen: Generator
    plan: StagedPlan
    first: Expr
    busy: Sequence[Expr]
    coming: Sequence[Expr]

    def __post_init__(self) -> None:
        self.dones: list[Expr] = []

    def begin(self, n: int) -> Expr:
        """The pulse at which a region begins: when those that it waits for and that run in this turn have ended."""
        own, waits = self.plan.stage[n], self.plan.turn.waits[n]
        if not waits:
            return lg.both(self.first, self.coming[own])
        if all(self.plan.stage[k] == own for k in waits):
            return self._all(waits)
        others = {self.plan.stage[k] for k in waits}
        alone = reduce(lg.both, (lg.neg(self.coming[s]) for s in sorted(others)), self.first)
        return lg.either(lg.both(self._all(waits), self.busy[own]), lg.both(alone, self.coming[own]))

    def end(self) -> Expr:
        """The pulse at which the last region has ended."""
        stage, waits = self.plan.stage, self.plan.turn.waits
        followed = {k for n, own in enumerate(waits) for k in own if stage[k] == stage[n]}
        return self._all([n for n in range(len(stage)) if n not in followed])

    def _all(self, some: Sequence[int]) -> Expr:
        """The pulse at which the last of some has ended, as far as they run in this turn; at least one does."""
        missing = [lg.neg(self.busy[self.plan.stage[k]]) for k in some]
        return joined(self.gen, [self.dones[k] for k in some], self.plan.region.span, missing)
