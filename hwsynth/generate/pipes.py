"""Pipelined nests: a bit enters a chain every II cycles."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from gemel.hwsynth import logic as lg
from gemel.hwsynth.charting import steps
from gemel.hwsynth.count import Count, Fixed, Turns, total
from gemel.hwsynth.dependence import UNKNOWN, Counter, Order, memory_orders
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.exclusive import Exclusive, contrary
from gemel.hwsynth.generate.counters import enters, pulses
from gemel.hwsynth.generate.nests import NestGraph
from gemel.hwsynth.generate.pacing import Pace, Pacing
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import Held, LevelPlan, PipePlan
from gemel.hwsynth.modulo import Never
from gemel.hwsynth.netlist import NetType, Register
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.regions import Pipe, constant_bounds
from gemel.hwsynth.report import LoopReport
from gemel.hwsynth.schedule import Edge, Limits
from gemel.hwsynth.space import Space, space
from gemel.hwsynth.stages import Stages, call_next
from gemel.semantics.dtypes import int_holding
from gemel.semantics.ir import Const, Expr, For, Var

# ------------------------------------------------------------------------------------------------------------ planning


def plan_pipe(gen: Generator, r: Pipe) -> PipePlan:
    """A nest's graph, pace and cycles."""
    found = None if r.plain else space(gen.around, r.loops, gen.nets, r.ahead)
    g = gen.graph()
    levels = [_level(gen, s, n, found, g) for n, s in enumerate(r.loops)]
    levels[-1].ahead = r.ahead
    nest = NestGraph(g, r.levels, levels)
    nest.build()
    if found is not None:
        _locate(gen, levels, found)
    pace = _pace(gen, r, nest, found)
    _settle(levels, nest.held, pace)
    depth = max(pace.schedule.depth, 1, *(_ends(gen, h) for h in nest.held))
    for h in nest.held:
        gen.nets |= dict.fromkeys(h.results, h.phi.var or h.results[0]) if h.results else {}
    count = _count(levels, pace.schedule.ii, depth, pace.gaps)
    return PipePlan(r, g, levels, nest.held, pace.schedule.ii, depth, _report(gen, r, pace, depth), count)


def _level(gen: Generator, s: For, n: int, found: Space | None, g: Graph) -> LevelPlan:
    dtype = _counter_type(gen, s, found)
    net = Var(s.var.hint, dtype, s.var.span)
    node = Node(Kind.COUNTER, dtype, (), s.span, var=net)
    g.nodes.append(node)
    g.env[s.var] = node
    gen.nets[s.var] = net
    may_be_empty = not constant_bounds(s) if found is None else not found.all.own[s.var].all()
    return LevelPlan(s, node, bool(n) and may_be_empty)


def _counter_type(gen: Generator, s: For, found: Space | None) -> NetType:
    values = constant_bounds(s)
    if values:
        return int_holding(min(values), max(values))
    if found is not None and found.all.length:
        reached = found.all.values[s.var]
        return int_holding(int(reached.min()), int(reached.max()))
    return gen.span_type(s)


def _locate(gen: Generator, levels: Sequence[LevelPlan], found: Space) -> None:
    """Tells a space which nets hold what it knows."""
    found.nets |= {gen.nets[v]: x for v, x in found.all.values.items() if v in gen.nets}
    for n, p in enumerate(levels):
        first, last = found.stands(n)
        active = np.logical_and.reduce([found.all.own[x.loop.var] for x in levels[1 : n + 1]] or [first | True])
        for node, value in ((p.first, first), (p.last, last), (p.active, active)):
            if node is not None and node.var is not None:
                found.nets[node.var] = value


def _pace(gen: Generator, r: Pipe, nest: NestGraph, found: Space | None) -> Pace:
    g, inner = nest.graph, len(nest.plans) - 1
    every = max(1, *(s.every for s in r.loops))
    carried = [o for h in nest.held for o in _held_orders(h, inner, found)]

    def cost(pace: Pace) -> float:
        return gen.cost(_count(nest.plans, pace.schedule.ii, pace.schedule.depth, pace.gaps))

    def pacing(memory: Sequence[Order], ports: Limits | None = None) -> Pacing:
        return Pacing(
            lambda edges: gen.tried(g, edges, ports),
            lambda edges: gen.schedule(g, edges, True, max(s.every for s in r.loops)),
            [*memory, *carried],
            inner,
            cost,
        )

    def ii(memory: Sequence[Order], ports: Limits | None = None) -> int:
        return max(pacing(memory, ports).fastest().schedule.ii, every)

    memory = _sharing(g, memory_orders(g, _counters(nest.plans), found), found, gen.ports.limits, ii)
    _widen(gen, g, lambda ports: ii(memory, ports), every)
    return pacing(memory).best()


def _sharing(
    g: Graph, orders: list[Order], found: Space | None, limits: Limits, ii: Callable[[Sequence[Order]], int]
) -> Sequence[Order]:
    """Lets accesses share a port that don't get into each other's way, where that lowers the II."""

    def apart(a: Node, b: Node) -> bool:
        return contrary(a, b) or (found is not None and not np.any(found.happens(a.pred) & found.happens(b.pred)))

    def later(a: Node, b: Node) -> bool:
        return found is not None and not found.follows(b.pred, a.pred)

    shared = Exclusive(g, orders, apart, later)
    if not shared.possible(limits) or (plain := ii(orders)) <= 1:
        return orders
    shared.share(limits)
    with suppress(Never):
        if ii(shared.orders) < plain:
            return shared.orders
    shared.undo()
    return orders


def _widen(gen: Generator, g: Graph, ii: Callable[[Limits], int], every: int) -> None:
    """Asks for more read ports of memories where iterations then begin more often, if rarer than every `every`."""
    reads = Counts(n.buffer for n in g.nodes if n.buffer is not None and n.kind is Kind.LOAD)
    now, wide = gen.ports.limits, gen.ports.wider(reads)
    if wide == now or (plain := ii(now)) <= every or (best := ii(wide)) >= plain:
        return
    needed = gen.ports.wider({b: -(-n // best) for b, n in reads.items()})
    gen.ports.ask(needed if ii(needed) <= best else wide)


def _counters(levels: Sequence[LevelPlan]) -> list[Counter]:
    """The counters as forms have them; strides are those of the iterations where trips are the same each time."""
    found = []
    stride = 1
    for p in reversed(levels):
        values = constant_bounds(p.loop)
        trips = len(values) if values and not p.ahead else UNKNOWN
        step = int(p.loop.step.value) if isinstance(p.loop.step, Const) else 0
        found.append(Counter(p.counter, values[0] if values else None, step, trips, stride))
        stride *= trips
    return found[::-1]


def _held_orders(h: Held, inner: int, found: Space | None) -> list[Order]:
    """A carried value is there for the iterations after the one that sets it, and isn't set before it has been read."""
    distances = {inner: 1} if found is None else found.after(h.write.pred)
    later = [Order(Edge(h.write, h.phi, 1, d), level) for level, d in distances.items()]
    return [*later, Order(Edge(h.phi, h.write, 0, 0), None)]


def _settle(levels: Sequence[LevelPlan], held: Sequence[Held], pace: Pace) -> None:
    """Notes the pace in the nodes: how long counters and carried values stay."""
    for p, gap in zip(levels, (*pace.gaps, 0), strict=True):
        p.gap = gap
        for node in (p.counter, p.first, p.last, p.active):
            if node is not None:
                node.kept = pace.schedule.ii - 1
    for h in held:
        h.phi.kept = h.write.cycle
        call_next(h.write.args[0], h.phi.var)


def _ends(gen: Generator, h: Held) -> int:
    return h.write.cycle + (2 if set(h.results) & gen.early else 1)


def _count(levels: Sequence[LevelPlan], ii: int, depth: int, gaps: Sequence[int]) -> Count | None:
    """The cycles of a run: an II for each iteration, the pauses between turns, and what is under way after the last."""
    count: Count | None = Fixed(ii)
    for n, p in reversed(list(enumerate(levels))):
        gap = (*gaps, 0)[n]
        none = Fixed(gap if p.ahead else ii + gap) if n else Fixed(1 + ii - depth + gap)
        if not isinstance(p.loop.step, Const) or count is None:
            return None
        each = total(count, Fixed(gap)) or count
        count = total(
            Turns(p.loop.var, p.loop.lo, p.loop.hi, int(p.loop.step.value), each, none), Fixed(ii * p.ahead - gap)
        )
    return total(count, Fixed(depth - ii))


def _report(gen: Generator, r: Pipe, pace: Pace, depth: int) -> LoopReport:
    turns: Count | None = Fixed(1)
    for s in reversed(r.loops):
        if isinstance(s.step, Const) and turns is not None:
            turns = Turns(s.var, s.lo, s.hi, int(s.step.value), turns)
    schedule = pace.schedule
    names = ", ".join(s.var.hint for s in r.loops)
    lines = tuple(sorted({n.span.line for n in schedule.nodes if n.span.line}))
    why = steps(schedule.nodes, gen.clock, gen.ports.names)
    return LoopReport(names, gen.depth, r.span, gen.known(turns), schedule.ii, depth, schedule.bound, lines, why)


# ------------------------------------------------------------------------------------------------------------- netlist


def emit_pipe(gen: Generator, p: PipePlan, start: Expr) -> Expr:
    """A pipelined nest's done pulse."""
    span = p.region.span
    gen.told(*(h.phi.var for h in p.held))
    issue, last = pulses(gen, p, start)
    ends = gen.chain(lg.both(issue, last), p.depth, span, "last")
    bits = gen.chain(issue, p.depth, span, "valid")
    tag = gen.tag(p.region)
    gen.telling.row(f"valid{tag}", 1, bits[1:], "the stages that hold an iteration")
    gen.telling.row(f"last{tag}", 1, ends[1:], "the stage that holds the last iteration")
    gen.telling.title(_title(p.report))
    stages = Stages(gen, gen.ports, bits, p.ii, p.region)
    for h in p.held:
        _carried(gen, h, bits, stages, start)
    gen.effects(p.graph, stages, bits)
    gen.draw(p.graph, p.ii, p.depth)
    outer = p.levels[0].loop
    if constant_bounds(outer):
        return ends[-1]
    skip = gen.bit("skip", lg.both(start, lg.neg(enters(gen, outer))), span)
    return gen.named(f"done{tag}", lg.either(ends[-1], skip), span)


def _title(row: LoopReport) -> str:
    count = f"{row.trips:,} iterations" if row.trips is not None else "iterations"
    pace = "each cycle" if row.ii == 1 else f"every {row.ii} cycles"
    return f"loop {row.name}: {count}, one begins {pace}, {row.depth} stage{'s' * (row.depth != 1)}"


def _carried(gen: Generator, h: Held, bits: list[Expr], stages: Stages, start: Expr) -> None:
    if h.phi.var is None:
        raise TypeError("a carried value has a register")
    value = stages.value(h.write.args[0], h.write.cycle)
    enable = bits[h.write.cycle]
    if h.write.pred is not None:
        enable = lg.both(enable, stages.value(h.write.pred, h.write.cycle))
    if h.init is not None:
        value = lg.select(start, lg.cast(gen.atom(h.init), lg.net_type(value)), value)
        enable = lg.either(start, enable)
    gen.registers.append(Register(h.phi.var, value, enable, None))
