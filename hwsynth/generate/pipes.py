"""Pipelined loops: a bit enters a chain every II cycles."""

from __future__ import annotations

from gemel.hwsynth import logic as lg
from gemel.hwsynth.charting import steps
from gemel.hwsynth.dependence import Counter
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.generate.counters import enters, pulses
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.netlist import Register
from gemel.hwsynth.nodes import Kind, Node, net_dtype
from gemel.hwsynth.regions import (
    Pipe,
    constant_bounds,
)
from gemel.hwsynth.report import LoopReport
from gemel.hwsynth.schedule import Edge, Schedule
from gemel.hwsynth.stages import Stages, call_next
from gemel.semantics.dtypes import int_holding
from gemel.semantics.ir import Expr, Var


def pipe(gen: Generator, r: Pipe, start: Expr) -> tuple[Expr, int | None]:
    """A pipelined loop's done pulse and its cycles."""
    g = gen.graph()
    counters = _counters(gen, r, g)
    phis = [_phi(gen, c.inside, c.init, g) for c in r.carried]
    g.body(r.body, None)
    writes = []
    extra: list[Edge] = []
    for c, phi in zip(r.carried, phis, strict=True):
        value = g.cast(g.expr(c.next, None), phi.dtype, phi.span)
        write = Node(Kind.WRITE, phi.dtype, (value,), phi.span)
        g.nodes.append(write)
        writes.append(write)
        extra += [Edge(write, phi, 1, 1), Edge(phi, write, 0, 0)]
    schedule = gen.schedule(g, counters, True, extra, max(s.every for s in r.loops))
    for phi, write in zip(phis, writes, strict=True):
        phi.kept = write.cycle
        call_next(write.args[0], phi.var)
    for counter in counters:
        counter.node.kept = schedule.ii - 1
    kept = [w.cycle + 1 for w in writes] + [
        w.cycle + 2 for w, c in zip(writes, r.carried, strict=True) if set(c.results) & gen.early
    ]
    depth = max(schedule.depth, *kept, 1)
    issue, last = pulses(gen, r, counters, start, schedule.ii)
    ends = gen.chain(lg.both(issue, last), depth, r.span, "last")
    bits = gen.chain(issue, depth, r.span, "valid")
    gen.telling.row(f"valid{gen.tag(r)}", 1, bits[1:], "the stages that hold an iteration")
    gen.telling.row(f"last{gen.tag(r)}", 1, ends[1:], "the stage that holds the last iteration")
    stages = Stages(gen, gen.ports, bits, schedule.ii)
    for c, phi, write in zip(r.carried, phis, writes, strict=True):
        _carried(gen, c.init, phi, write, bits, stages, start)
        for v in c.results:
            gen.nets[v] = phi.var or v
    gen.effects(g, stages, bits)
    return _report(gen, r, g, schedule, depth, start, ends[-1])


def _report(
    gen: Generator, r: Pipe, g: Graph, schedule: Schedule, depth: int, start: Expr, done: Expr
) -> tuple[Expr, int | None]:
    values = [constant_bounds(s) for s in r.loops]
    trips: int | None = 1
    for v in values:
        trips = None if trips is None or v is None else trips * len(v)
    names = ", ".join(s.var.hint for s in r.loops)
    lines = tuple(sorted({n.span.line for n in schedule.nodes if n.span.line}))
    row = LoopReport(
        names,
        gen.depth,
        r.span,
        trips,
        schedule.ii,
        depth,
        schedule.bound,
        lines,
        steps(schedule.nodes, gen.clock, gen.ports.names),
    )
    gen.loops.append(row)
    gen.telling.title(_title(row))
    if trips is None:
        skip = gen.bit("skip", lg.both(start, lg.neg(enters(gen, r.loops[0]))), r.span)
        return gen.named(f"done{gen.tag(r)}", lg.either(done, skip), r.span), None
    return done, (trips - 1) * schedule.ii + depth


def _title(row: LoopReport) -> str:
    count = f"{row.trips:,} iterations" if row.trips is not None else "iterations"
    pace = "each cycle" if row.ii == 1 else f"every {row.ii} cycles"
    return f"loop {row.name}: {count}, one begins {pace}, {row.depth} stage{'s' * (row.depth != 1)}"


def _counters(gen: Generator, r: Pipe, g: Graph) -> list[Counter]:
    found = []
    stride = 1
    for s in reversed(r.loops):
        values = constant_bounds(s)
        dtype = int_holding(values[0], values[-1]) if values and s.step.value > 0 else gen.span_type(s)  # type: ignore[union-attr]
        if values and values[-1] < values[0]:
            dtype = int_holding(values[-1], values[0])
        net = gen.net(s.var.hint, dtype, s.var.span)
        node = Node(Kind.COUNTER, dtype, (), s.span, var=net)
        g.nodes.append(node)
        g.env[s.var] = node
        lo = values[0] if values else None
        trips = len(values) if values else 1 << 40
        found.append(Counter(node, lo, int(s.step.value), trips, stride))  # type: ignore[union-attr]
        stride *= trips
    return found[::-1]


def _phi(gen: Generator, inside: tuple[Var, ...], init: Expr, g: Graph) -> Node:
    dtype = net_dtype(inside[0].dtype, inside[0].span)
    net = gen.net(inside[0].hint, dtype, inside[0].span)
    node = Node(Kind.PHI, dtype, (), inside[0].span, var=net)
    g.nodes.append(node)
    for v in inside:
        g.env[v] = node
    return node


def _carried(gen: Generator, init: Expr, phi: Node, write: Node, bits: list[Expr], stages: Stages, start: Expr) -> None:
    value = stages.value(write.args[0], write.cycle)
    first = lg.cast(gen.atom(init), lg.net_type(value))
    if phi.var is None:
        raise TypeError("a carried value has a register")
    nxt = lg.select(start, first, value)
    gen.registers.append(Register(phi.var, nxt, lg.either(start, bits[write.cycle]), None))
