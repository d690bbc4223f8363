"""Makes functional units, and schedules regions that use them.

A unit is made like a region: the dataflow graph of its operation is scheduled under the clock at an II of 1, with a
register wherever a value goes on to a later cycle. No valid bits go along: who starts a unit knows when it is done.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from gemel.hwsynth import floats, generate
from gemel.hwsynth import logic as lg
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.netlist import Contract, Input, Module, Output, Register
from gemel.hwsynth.nodes import Kind, Node, net_dtype
from gemel.hwsynth.pipeline import UNIT
from gemel.hwsynth.ports import Ports, depth
from gemel.hwsynth.prune import prune
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.stages import Stages
from gemel.hwsynth.stagewise import stage_by_stage
from gemel.hwsynth.targets import choice
from gemel.hwsynth.units import START, Iteration, Operation, Port, Unit
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, FloatType, int_holding
from gemel.semantics.errors import counted
from gemel.semantics.floats import IN_PLACE
from gemel.semantics.ir import Buffer, Expr, Kernel, Let, Load, Ref, Stmt, Store, Var
from gemel.semantics.pipeline import run
from gemel.semantics.span import BUILTIN, Span
from gemel.semantics.traverse import Body, all_exprs, map_body


def operation_of(kernel: Kernel, resource: str) -> Operation:
    """The operation that a kernel computes: of integer scalars, without loops; its results have rank 0."""
    lowered = run(kernel, UNIT, "unit")
    results = [b for b in kernel.results if not b.rank]
    inputs = tuple((p.hint, net_dtype(p.dtype, p.span)) for p in kernel.params if isinstance(p, Var))
    outputs = tuple((b.hint, net_dtype(b.dtype, b.span)) for b in results)

    def build(g: Graph, args: tuple[Node, ...], span: Span) -> tuple[Node, ...]:
        names = {b: Var(b.hint, b.dtype, b.span) for b in lowered.results}
        params = [p for p in lowered.params if isinstance(p, Var)]
        g.env |= dict(zip(params, args, strict=True))
        g.depth_of = {**g.depth_of, **{b: depth(b) for b in _tables(lowered.body)}}
        g.body(_with_names(lowered.body, names), None)
        return tuple(g.env[names[b]] for b in lowered.results)

    return Operation((str(kernel), resource), kernel.name, resource, inputs, outputs, build)


def _with_names(body: Body, names: dict[Buffer, Var]) -> Body:
    """Stores to results of rank 0 as names."""

    def stmt(s: Stmt) -> Stmt:
        return Let(names[s.buffer], s.value, s.span) if isinstance(s, Store) and s.buffer in names else s

    return map_body(body, stmt=stmt)


def _tables(body: Body) -> list[Buffer]:
    return list(dict.fromkeys(e.buffer for e in all_exprs(body) if isinstance(e, Load) and e.buffer.data is not None))


class Units:
    """Makes units, each once for an operation, a target and a clock."""

    def __init__(self) -> None:
        self.made: dict[Hashable, Unit | None] = {}

    def pipelined(self, operation: Operation, clock: Clock, registered: bool = False) -> Unit:
        """The unit that takes operands in each cycle; with `registered` there is a register on the way in any case.

        Raises SynthesisError H03 where the clock is too fast for it.
        """
        unit = self._once(_registered if registered else _pipelined, operation, clock)
        if unit is None:
            raise TypeError("an operation has a unit")
        return unit

    def iterative(self, operation: Operation, clock: Clock) -> Unit | None:
        """The unit that is busy for several cycles; None where there is no such way, or a step takes too long."""
        return self._once(_iterative, operation, clock) if operation.iteration else None

    def _once(self, make: Make, operation: Operation, clock: Clock) -> Unit | None:
        key = (make, operation.key, clock.target.name, clock.period)
        if key not in self.made:
            self.made[key] = make(operation, clock)
        return self.made[key]


Make = Callable[[Operation, Clock], "Unit | None"]

UNITS = Units()
"""Those of this process."""


def distance(clock: Clock, op: ops.Op, dtype: FloatType) -> int:
    """How many cycles an accumulation takes from reading an element of a memory to reading it again."""
    if op in IN_PLACE:
        return 0
    return UNITS.pipelined(floats.operation(op, dtype, dtype), clock).latency + AROUND


AROUND = 4
"""Cycles of a memory's read, of a choice before the unit, and of the write."""


class _Unit:
    """A unit in the making."""

    def __init__(self, operation: Operation, clock: Clock, chosen: float = 0.0) -> None:
        self.operation, self.clock = operation, clock
        self.gen = generate.Generator(clock, Ports((), (), {}, clock.chain()), [], UNITS)
        self.graph = self.gen.graph()
        self.graph.packs = True
        self.args = self.arguments(operation.inputs)
        for a in self.args:
            a.at = chosen

    def arguments(self, ports: Sequence[Port]) -> tuple[Node, ...]:
        """Values that are there in the first cycle."""
        made = tuple(Node(Kind.ARGUMENT, t, (), BUILTIN, var=Var(name, t, BUILTIN)) for name, t in ports)
        self.graph.nodes += made
        return made

    def cast(self, nodes: Sequence[Node], ports: Sequence[Port]) -> tuple[Node, ...]:
        """Nodes as the types of ports."""
        return tuple(self.graph.cast(n, dtype, BUILTIN) for n, (_, dtype) in zip(nodes, ports, strict=True))

    def scheduled(self, results: Sequence[Node]) -> Stages:
        """The values that results need, at an II of 1: each read of a table has a port of its own."""
        gen, g = self.gen, self.graph
        g.keep(results)
        names = {b: f"{b.hint}_{n}" if n else b.hint for n, b in enumerate(g.accesses)}
        reads = {names[b]: len(found) for b, found in g.accesses.items()}
        gen.ports = Ports((), tuple(g.accesses), dict(g.depth_of), gen.clock.chain(), names=names, more=reads)
        schedule = gen.schedule(g, [], True)
        if schedule.ii != 1:
            raise AssertionError(f"{self.operation.name} takes operands every {schedule.ii} cycles")
        stages = Stages(gen, gen.ports, [lg.TRUE] * (schedule.depth + 1), 1)
        gen.effects(g, stages, stages.bits)
        return stages

    def module(
        self, name: str, extra: Sequence[Node], results: Sequence[Expr], how: str, cycles: int, interval: int
    ) -> Module:
        """The module; `extra` are inputs other than operands."""
        gen = self.gen
        inputs = [_net(a).var for a in (*extra, *self.args)]
        outputs = [Output(name, e) for (name, _), e in zip(self.operation.outputs, results, strict=True)]
        head = f"{name}: made by Gemel for {self.clock.target.name} at {1000 / self.clock.period:g} MHz"
        parts = (
            tuple(gen.wires),
            tuple(gen.registers),
            tuple(gen.ports.memories().values()),
            gen.units.instances(gen.clock),
        )
        contract = Contract(self.operation.name, cycles, interval)
        own = tuple(map(Input, inputs))
        made = prune(Module(name, own, tuple(outputs), *parts, BUILTIN, (head, how), contract=contract))
        return replace(made, layout=stage_by_stage(made)) if interval == 1 and cycles else made


def _registered(operation: Operation, clock: Clock) -> Unit:
    unit = UNITS.pipelined(operation, clock)
    return unit if unit.latency else _pipelined(operation, clock, 1)


def _pipelined(operation: Operation, clock: Clock, least: int = 0) -> Unit:
    """The unit, with time for a choice of its operands where that costs no cycle."""
    if operation.make is not None:
        return operation.make(operation, clock)
    plain = _piped(operation, clock, least, 0.0)
    chosen = clock.choosing(2)
    if not plain.latency or plain.setup + chosen <= clock.room:
        return plain
    other = _piped(operation, clock, least, chosen)
    return plain if other.latency > plain.latency else other


def _piped(operation: Operation, clock: Clock, least: int, chosen: float) -> Unit:
    """The unit whose operands are there that many ns after the edge."""
    made = _Unit(operation, clock, chosen)
    results = made.cast(operation.build(made.graph, made.args, BUILTIN), operation.outputs)
    stages = made.scheduled(results)
    latency = max(least, *(n.ready for n in results))
    how = f"takes operands in each cycle; results come {counted(latency, 'cycle')} later"
    module = made.module(operation.name, (), [stages.value(n, latency) for n in results], how, latency, 1)
    first = max((_reach(n) for n in made.graph.nodes if n.cycle == 0), default=0.0)
    last = max((n.at for n in results if n.ready == latency), default=0.0)
    return Unit(operation, module, latency, first - chosen if latency else 0.0, last)


def _reach(n: Node) -> float:
    """Until when the logic of a node in the first cycle works, in ns."""
    if n.kind is not Kind.UNIT and n.kind is not Kind.LOAD:
        return n.at
    return max((a.at for a in n.args), default=0.0) + (n.unit.setup if n.unit else 0.0)


def _iterative(operation: Operation, clock: Clock) -> Unit | None:
    """The unit that does as much in a cycle as fits, and needs more than one."""
    found = None
    for much in itertools.count(1):
        way = operation.iteration(much) if operation.iteration else None
        unit = _iterated(operation, way, clock) if way and way.cycles > 1 else None
        if unit is None:
            return found
        found = unit
    raise AssertionError("a count has no end")


def _iterated(operation: Operation, way: Iteration, clock: Clock) -> Unit | None:
    """The unit that takes its operands into the state and does a step in each cycle then; None where that takes longer.

    The first step could be done with the start, but what chooses between operands and state would cost as much as a
    step itself.
    """
    made = _Unit(operation, clock)
    g = made.graph
    (start,) = made.arguments([(START, BOOL)])
    state = made.arguments(way.state)
    begun = made.cast(way.begin(g, made.args, BUILTIN), way.state)
    stepped = made.cast(way.step(g, state, BUILTIN), way.state)
    following = tuple(
        a if b is old else g.apply(ops.SELECT, (start, a, b), old.dtype, BUILTIN)
        for a, b, old in zip(begun, stepped, state, strict=True)
    )
    results = made.cast(way.end(g, state, BUILTIN), operation.outputs)
    stages = made.scheduled((*following, *results))
    if any(n.ready for n in g.nodes):
        return None
    going = _count_down(made.gen, way.cycles, _net(start))
    for old, nxt, kept in zip(state, following, (b is old for b, old in zip(stepped, state, strict=True)), strict=True):
        made.gen.registers.append(Register(_net(old).var, stages.value(nxt, 0), _net(start) if kept else going))
    cycles = way.cycles + 1
    how = f"takes operands with start; results come {counted(cycles, 'cycle')} later and stay until the next start"
    ends = [stages.value(n, 0) for n in results]
    module = made.module(f"{operation.name}_serial", (start,), ends, how, cycles, cycles)
    setup = max(n.at for n in begun) + choice(clock.target, 1)
    return Unit(operation, module, cycles, setup, max(n.at for n in results), cycles)


def _count_down(gen: generate.Generator, cycles: int, start: Expr) -> Expr:
    """Whether the state changes: with `start`, and for so many cycles after it."""
    count = Var("to_go", int_holding(0, cycles), BUILTIN)
    now = Ref(count, BUILTIN)
    dtype = lg.net_type(now)
    going = lg.either(start, lg.compare(ops.NE, now, lg.number(0, dtype)))
    gen.registers.append(Register(count, lg.select(start, lg.number(cycles, dtype), lg.add(now, -1, dtype)), going))
    return going


def _net(n: Node) -> Ref:
    if n.var is None:
        raise TypeError("an argument has a net")
    return Ref(n.var, n.span)
