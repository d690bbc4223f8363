"""From regions to a netlist: schedules, stage registers, counters, and the pulses that hand control on.

A region gets a `start` pulse and gives a `done` pulse in its last cycle; the region after it is active in the next
cycle. A block's cycles are a chain of bits that the pulse runs through; in a pipelined loop a bit enters every II
cycles. Values that control reads at a pulse are in registers by then (`early`). `kill` clears all chains after a
failed check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gemel.hwsynth import logic as lg
from gemel.hwsynth.dependence import Counter, memory_edges
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import Kind, Node, net_dtype
from gemel.hwsynth.ports import Ports
from gemel.hwsynth.regions import (
    Block,
    Branch,
    Loop,
    Pipe,
    Region,
    Repeat,
    all_regions,
    constant_bounds,
    control_uses,
    data_uses,
    variables,
)
from gemel.hwsynth.report import LoopReport
from gemel.hwsynth.schedule import NOT_PIPELINED, Clock, Edge, Schedule, modulo_schedule
from gemel.hwsynth.stages import Stages
from gemel.semantics import build, intervals, ops
from gemel.semantics.dtypes import BOOL, IntType, int_holding
from gemel.semantics.ir import Apply, Assert, Carry, Const, Expr, For, Ref, Var
from gemel.semantics.span import Span


@dataclass
class Generator:
    """The netlist in the making."""

    clock: Clock
    ports: Ports
    top: list[Region]
    wires: list[Wire] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    nets: dict[Var, Var] = field(default_factory=dict)
    sites: list[Assert] = field(default_factory=list)
    fails: list[tuple[Expr, int]] = field(default_factory=list)
    loops: list[LoopReport] = field(default_factory=list)
    early: set[Var] = field(default_factory=set)
    used: dict[Var, set[int]] = field(default_factory=dict)
    kill: Var | None = None
    depth: int = 0

    def __post_init__(self) -> None:
        for r in all_regions(self.top):
            self.early |= variables(control_uses(r))
            for v in variables(control_uses(r)):
                self.used.setdefault(v, set()).add(-1)
            for v in variables(data_uses(r)):
                self.used.setdefault(v, set()).add(id(r))

    # ------------------------------------------------------------------------------------------------------- pieces

    def net(self, hint: str, dtype: lg.NetType, span: Span) -> Var:
        """A new net."""
        return Var(hint, dtype, span)

    def register(self, hint: str, nxt: Expr, span: Span, enable: Expr | None = None, reset: int | None = None) -> Expr:
        """A new register."""
        var = self.net(hint, lg.net_type(nxt), span)
        self.registers.append(Register(var, nxt, enable, reset))
        return Ref(var, span)

    def named(self, hint: str, value: Expr, span: Span) -> Expr:
        """An expression by a name that the netlist shows; literals and nets as they are."""
        if not isinstance(value, Apply):
            return value
        net = self.net(hint, lg.net_type(value), span)
        self.wires.append(Wire(net, value))
        return Ref(net, span)

    def bit(self, hint: str, nxt: Expr, span: Span) -> Expr:
        """A new control bit: reset to 0, cleared by `kill`."""
        alive = nxt if self.kill is None else lg.both(nxt, lg.neg(Ref(self.kill, span)))
        return self.register(hint, alive, span, reset=0)

    def outer(self, v: Var) -> Var:
        """The net of a value that another region defines."""
        return self.nets[v]

    def atom(self, e: Expr) -> Expr:
        """A literal or the net of a name."""
        if isinstance(e, Const):
            return lg.constant(e)
        if isinstance(e, Ref):
            return Ref(self.nets[e.var], e.span)
        raise TypeError("control reads literals and names")

    def define(self, v: Var, value: Expr) -> None:
        """Gives a name the net of a value, by a wire where it has none of its own."""
        if not isinstance(value, Ref):
            net = self.net(v.hint, lg.net_type(value), v.span)
            self.wires.append(Wire(net, value))
            value = Ref(net, v.span)
        self.nets[v] = value.var

    def graph(self) -> Graph:
        """An empty dataflow graph."""
        return Graph(self.clock.target.multiplier, outer=self.outer, sites=self.sites, depth_of=self.ports.depths)

    # ------------------------------------------------------------------------------------------------------ regions

    def sequence(self, regions: Sequence[Region], start: Expr) -> tuple[Expr, int | None]:
        """Regions one after the other: the last one's done pulse, and the cycles of all where they are constant."""
        total: int | None = 0
        for r in regions:
            start, cycles = self.region(r, start)
            total = None if total is None or cycles is None else total + cycles
        return start, total

    def region(self, r: Region, start: Expr) -> tuple[Expr, int | None]:
        """A region's done pulse and its cycles."""
        start = self.named("start_" + _kind(r), start, r.span)
        match r:
            case Block():
                return self._block(r, start)
            case Pipe():
                return self._pipe(r, start)
            case Repeat():
                return self._repeat(r, start), None
            case Loop():
                return self._loop(r, start)
            case Branch():
                return self._branch(r, start), None

    def _chain(self, first: Expr, depth: int, span: Span, hint: str) -> list[Expr]:
        """Bits that a pulse runs through, the first one given."""
        bits = [first]
        for n in range(1, depth):
            bits.append(self.bit(f"{hint}{n}", bits[-1], span))
        return bits

    def _effects(self, g: Graph, stages: Stages, bits: list[Expr]) -> None:
        """The memory accesses and checks of a scheduled graph."""
        for n in g.nodes:  # operands first, so that deep chains don't recur deeply
            if n.kind is Kind.OP:
                stages.value(n, n.cycle)
        for n in g.nodes:
            active = bits[n.cycle] if n.cycle < len(bits) else lg.FALSE
            if n.pred is not None and n.kind in (Kind.STORE, Kind.CHECK):
                active = lg.both(active, stages.value(n.pred, n.cycle))
            if n.kind is Kind.LOAD and n.buffer is not None:
                self.ports.read(n.buffer, n.port, active, stages.value(n.args[0], n.cycle))
            elif n.kind is Kind.STORE and n.buffer is not None:
                addr, data = (stages.value(a, n.cycle) for a in n.args)
                self.ports.write(n.buffer, n.port, active, addr, data)
            elif n.kind is Kind.CHECK:
                bad = lg.both(active, lg.neg(stages.value(n.args[0], n.cycle)))
                self.fails.append((bad, n.site))

    # ------------------------------------------------------------------------------------------------------- blocks

    def _block(self, r: Block, start: Expr) -> tuple[Expr, int | None]:
        g = self.graph()
        g.body(tuple(r.body), None)
        self._schedule(g, [], False)
        exported = [v for v in g.env if self.used.get(v, set()) - {id(r)}]
        depth = max([1 + n.ready for n in g.nodes if n.kind is not Kind.CONST], default=1)
        depth = max([depth, *(g.env[v].ready + 2 for v in exported if v in self.early and _is_computed(g.env[v]))])
        bits = self._chain(self.bit("s", start, r.span), depth, r.span, "s")
        stages = Stages(self, self.ports, bits, NOT_PIPELINED)
        self._effects(g, stages, bits)
        for v in exported:
            self.define(v, stages.kept(g.env[v], v.hint))
        return bits[-1], depth

    def _schedule(
        self, g: Graph, counters: list[Counter], pipelined: bool, extra: Sequence[Edge] = (), every: int = 0
    ) -> Schedule:
        edges = [*memory_edges(g, counters, pipelined), *extra]
        return modulo_schedule(g.nodes, edges, self.clock, self.ports.limits, pipelined, every)

    # -------------------------------------------------------------------------------------------------------- pipes

    def _pipe(self, r: Pipe, start: Expr) -> tuple[Expr, int | None]:
        g = self.graph()
        counters = self._counters(r, g)
        phis = [self._phi(c.inside, c.init, g) for c in r.carried]
        g.body(r.body, None)
        writes = []
        extra: list[Edge] = []
        for c, phi in zip(r.carried, phis, strict=True):
            value = g.cast(g.expr(c.next, None), phi.dtype, phi.span)
            write = Node(Kind.WRITE, phi.dtype, (value,), phi.span)
            g.nodes.append(write)
            writes.append(write)
            extra += [Edge(write, phi, 1, 1), Edge(phi, write, 0, 0)]
        schedule = self._schedule(g, counters, True, extra, max(s.every for s in r.loops))
        for phi, write in zip(phis, writes, strict=True):
            phi.kept = write.cycle
        for counter in counters:
            counter.node.kept = schedule.ii - 1
        ends = [w.cycle + 1 for w in writes] + [
            w.cycle + 2 for w, c in zip(writes, r.carried, strict=True) if set(c.results) & self.early
        ]
        depth = max(schedule.depth, *ends, 1) if ends else max(schedule.depth, 1)
        issue, last = self._issue(r, counters, start, schedule.ii)
        done = self._chain(lg.both(issue, last), depth, r.span, "last")[-1]
        bits = self._chain(issue, depth, r.span, "valid")
        stages = Stages(self, self.ports, bits, schedule.ii)
        for c, phi, write in zip(r.carried, phis, writes, strict=True):
            self._carried(c.init, phi, write, bits, stages, start)
            for v in c.results:
                self.nets[v] = phi.var or v
        self._effects(g, stages, bits)
        return self._report_pipe(r, g, schedule, depth, start, done)

    def _report_pipe(
        self, r: Pipe, g: Graph, schedule: Schedule, depth: int, start: Expr, done: Expr
    ) -> tuple[Expr, int | None]:
        values = [constant_bounds(s) for s in r.loops]
        trips: int | None = 1
        for v in values:
            trips = None if trips is None or v is None else trips * len(v)
        names = ", ".join(s.var.hint for s in r.loops)
        lines = tuple(sorted({n.span.line for n in schedule.nodes if n.span.line}))
        row = LoopReport(names, self.depth, r.span, trips, schedule.ii, depth, schedule.bound, lines)
        self.loops.append(row)
        if trips is None:
            skip = self.bit("skip", lg.both(start, lg.neg(self._enters(r.loops[0]))), r.span)
            return lg.either(done, skip), None
        return done, (trips - 1) * schedule.ii + depth

    def _counters(self, r: Pipe, g: Graph) -> list[Counter]:
        found = []
        stride = 1
        for s in reversed(r.loops):
            values = constant_bounds(s)
            dtype = int_holding(values[0], values[-1]) if values and s.step.value > 0 else self._span_type(s)  # type: ignore[union-attr]
            if values and values[-1] < values[0]:
                dtype = int_holding(values[-1], values[0])
            net = self.net(s.var.hint, dtype, s.var.span)
            node = Node(Kind.COUNTER, dtype, (), s.span, var=net)
            g.nodes.append(node)
            g.env[s.var] = node
            lo = values[0] if values else None
            trips = len(values) if values else 1 << 40
            found.append(Counter(node, lo, int(s.step.value), trips, stride))  # type: ignore[union-attr]
            stride *= trips
        return found[::-1]

    def _span_type(self, s: For) -> IntType:
        """A type for a counter between bounds that are not constant; it also holds the bound itself."""
        ends = [intervals.of_type(lg.net_type(self.atom(e))) for e in (s.lo, s.hi)]
        known = [e for e in ends if e]
        return int_holding(min(e[0] for e in known), max(e[1] for e in known))

    def _phi(self, inside: tuple[Var, ...], init: Expr, g: Graph) -> Node:
        dtype = net_dtype(inside[0].dtype, inside[0].span)
        net = self.net(inside[0].hint, dtype, inside[0].span)
        node = Node(Kind.PHI, dtype, (), inside[0].span, var=net)
        g.nodes.append(node)
        for v in inside:
            g.env[v] = node
        return node

    def _carried(self, init: Expr, phi: Node, write: Node, bits: list[Expr], stages: Stages, start: Expr) -> None:
        value = stages.value(write.args[0], write.cycle)
        first = lg.cast(self.atom(init), lg.net_type(value))
        if phi.var is None:
            raise TypeError("a carried value has a register")
        nxt = lg.select(start, first, value)
        self.registers.append(Register(phi.var, nxt, lg.either(start, bits[write.cycle]), None))

    def _issue(self, r: Pipe, counters: list[Counter], start: Expr, ii: int) -> tuple[Expr, Expr]:
        """The pulse of each iteration's first cycle, and whether it is the last iteration."""
        span = r.span
        run = self.net("run", BOOL, span)
        going: Expr = Ref(run, span)
        issue, turn = (going, going) if ii == 1 else self._phase(going, start, ii, span)
        last: Expr = lg.TRUE
        advance = turn
        for c, s in reversed(list(zip(counters, r.loops, strict=True))):
            at_end = self._counter(c, s, start, advance)
            advance = lg.both(advance, at_end)
            last = lg.both(last, at_end)
        stop = lg.both(turn, last)
        begins = start if constant_bounds(r.loops[0]) else lg.both(start, self._enters(r.loops[0]))
        alive = lg.either(begins, lg.both(going, lg.neg(stop)))
        if self.kill is not None:
            alive = lg.both(alive, lg.neg(Ref(self.kill, span)))
        self.registers.append(Register(run, alive, None, 0))
        return issue, last

    def _phase(self, going: Expr, start: Expr, ii: int, span: Span) -> tuple[Expr, Expr]:
        dtype = int_holding(0, ii - 1)
        phase = self.net("phase", dtype, span)
        now: Expr = Ref(phase, span)
        turn = lg.equal(now, ii - 1)
        nxt = lg.select(turn, lg.number(0, dtype), lg.add(now, 1, dtype))
        self.registers.append(
            Register(phase, lg.select(start, lg.number(0, dtype), nxt), lg.either(start, going), None)
        )
        return lg.both(going, lg.equal(now, 0)), lg.both(going, turn)

    def _enters(self, s: For) -> Expr:
        """Whether a loop has any iteration, from its bounds."""
        lo, hi = self.atom(s.lo), self.atom(s.hi)
        up = isinstance(s.step, Const) and int(s.step.value) > 0
        return lg.compare(ops.LT if up else ops.GT, lo, hi)

    def _counter(self, c: Counter, s: For, start: Expr, advance: Expr) -> Expr:
        """The register of a loop variable; whether it stands at its last value."""
        net = c.node.var
        if net is None:
            raise TypeError("a counter has a register")
        now: Expr = Ref(net, s.span)
        dtype = lg.net_type(now)
        values = constant_bounds(s)
        if values is not None:
            at_end = lg.equal(now, values[-1])
            first: Expr = lg.number(values[0], dtype)
        else:
            following = build.apply(ops.ADD, now, lg.number(c.step), span=s.span)
            at_end = lg.compare(ops.GE if c.step > 0 else ops.LE, following, self.atom(s.hi))
            first = lg.cast(self.atom(s.lo), dtype)
        at_end = self.named(f"last_{s.var.hint}", at_end, s.span)
        stepped = lg.add(now, c.step, dtype)
        wrapped = lg.select(at_end, first, stepped)
        nxt = lg.select(start, first, wrapped)
        self.registers.append(Register(net, nxt, lg.either(start, advance), None))
        return at_end

    # ------------------------------------------------------------------------------------------------------ repeats

    def _repeat(self, r: Repeat, start: Expr) -> Expr:
        """Condition and body as one block; what the body does is under the condition."""
        g = self.graph()
        nets = [self.net(c.var.hint, net_dtype(c.var.dtype, c.var.span), c.var.span) for c in r.carry]
        for c, net in zip(r.carry, nets, strict=True):
            self.nets[c.var] = self.nets[c.result] = net
        cond = g.cast(g.expr(r.cond, None), BOOL, r.span)
        g.body(r.body, cond)
        nexts = [g.cast(g.expr(c.next, None), net.dtype, net.span) for c, net in zip(r.carry, nets, strict=True)]
        self._schedule(g, [], False)
        depth = max([1 + n.ready for n in g.nodes if n.kind is not Kind.CONST], default=1)
        again = self.net("again", BOOL, r.span)
        first = self.bit("t", lg.either(start, Ref(again, r.span)), r.span)
        bits = self._chain(first, depth, r.span, "t")
        stages = Stages(self, self.ports, bits, NOT_PIPELINED)
        go = stages.value(cond, depth - 1)
        self.wires.append(Wire(again, lg.both(bits[-1], go)))
        for c, net, nxt in zip(r.carry, nets, nexts, strict=True):
            init = lg.cast(self.atom(c.init), lg.net_type(Ref(net, r.span)))
            value = lg.select(start, init, stages.value(nxt, depth - 1))
            self.registers.append(Register(net, value, lg.either(start, Ref(again, r.span)), None))
        self._effects(g, stages, bits)
        self.loops.append(LoopReport("while", self.depth, r.span, None, None, depth, "its condition", (r.span.line,)))
        return lg.both(bits[-1], lg.neg(go))

    # ---------------------------------------------------------------------------------------------- loops, branches

    def _loop(self, r: Loop, start: Expr) -> tuple[Expr, int | None]:
        enter = self.net("enter", BOOL, r.span)
        for c in r.carry:
            net = self.net(c.var.hint, net_dtype(c.var.dtype, c.var.span), c.var.span)
            self.nets[c.var] = self.nets[c.result] = net
        counter = self._loop_counter(r)
        slot = len(self.loops)
        self.depth += 1
        if r.counter is not None:
            first, wait = self._entry(r, r.body, Ref(enter, r.span))
            body_done, cycles = self.sequence(r.body, first)
            cycles = None if cycles is None else cycles + wait
            ended = self._count(r.counter, counter, start, body_done, enter)
        else:
            first, _ = self._entry(r, r.test, Ref(enter, r.span))
            tested, _ = self.sequence(r.test, first)
            go = self.atom(r.cond) if r.cond is not None else lg.TRUE
            body_done, cycles = self.sequence(r.body, lg.both(tested, go))
            self.wires.append(Wire(enter, lg.either(start, body_done)))
            ended = lg.both(tested, lg.neg(go))
        self.depth -= 1
        for c in r.carry:
            self._loop_carry(c, start, body_done)
        trips = constant_bounds(r.counter) if r.counter is not None else None
        row = LoopReport(
            r.counter.var.hint if r.counter else "while", self.depth, r.span,
            len(trips) if trips is not None else None, None, cycles, "", (),
        )  # fmt: skip
        self.loops.insert(slot, row)
        late = any(c.result in self.early for c in r.carry)
        done = self.bit("left", ended, r.span) if late else ended
        if trips is None or cycles is None:
            return done, None
        return done, len(trips) * cycles + late

    def _entry(self, r: Loop, first: list[Region], enter: Expr) -> tuple[Expr, bool]:
        """The pulse that begins an iteration; a cycle late where control reads a value that changes at `enter`.

        So it is where `first` is empty: every region takes a cycle, or the pulse would run in a ring at once.
        """
        changing = {c.var for c in r.carry} | ({r.counter.var} if r.counter is not None else set())
        if first and (isinstance(first[0], Block) or not changing & self.early):
            return enter, False
        return self.bit("turn", enter, r.span), True

    def _loop_counter(self, r: Loop) -> Var | None:
        s = r.counter
        if s is None:
            return None
        values = constant_bounds(s)
        dtype = int_holding(min(values), max(values)) if values else self._span_type(s)
        net = self.net(s.var.hint, dtype, s.var.span)
        self.nets[s.var] = net
        return net

    def _count(self, s: For, net: Var | None, start: Expr, body_done: Expr, enter: Var) -> Expr:
        """The counter of a loop around regions; gives the pulse at which the loop ends."""
        if net is None:
            raise TypeError("a counted loop has a counter")
        now: Expr = Ref(net, s.span)
        dtype = lg.net_type(now)
        values = constant_bounds(s)
        first = lg.cast(self.atom(s.lo), dtype)
        step = self.atom(s.step)
        following = build.apply(ops.ADD, now, step, span=s.span)
        at_end = lg.equal(now, values[-1]) if values else self._beyond(s, step, following)
        again = lg.both(body_done, lg.neg(at_end))
        nxt = lg.select(start, first, lg.cast(following, dtype))
        self.registers.append(Register(net, nxt, lg.either(start, again), None))
        ended = lg.both(body_done, at_end)
        if values:
            self.wires.append(Wire(enter, lg.either(start, again)))
            return ended
        enters = self._enters_any(s, step)
        self.wires.append(Wire(enter, lg.either(lg.both(start, enters), again)))
        return lg.either(ended, self.bit("skip", lg.both(start, lg.neg(enters)), s.span))

    def _beyond(self, s: For, step: Expr, following: Expr) -> Expr:
        hi = self.atom(s.hi)
        up, down = lg.compare(ops.GE, following, hi), lg.compare(ops.LE, following, hi)
        if isinstance(s.step, Const):
            return up if int(s.step.value) > 0 else down
        return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)

    def _enters_any(self, s: For, step: Expr) -> Expr:
        lo, hi = self.atom(s.lo), self.atom(s.hi)
        up, down = lg.compare(ops.LT, lo, hi), lg.compare(ops.GT, lo, hi)
        if isinstance(s.step, Const):
            return up if int(s.step.value) > 0 else down
        return lg.select(lg.compare(ops.GT, step, lg.number(0)), up, down)

    def _loop_carry(self, c: Carry, start: Expr, body_done: Expr) -> None:
        net = self.nets[c.var]
        dtype = lg.net_type(Ref(net, net.span))
        init, nxt = (lg.cast(self.atom(e), dtype) for e in (c.init, c.next))
        self.registers.append(Register(net, lg.select(start, init, nxt), lg.either(start, body_done), None))

    def _branch(self, r: Branch, start: Expr) -> Expr:
        cond = self.atom(r.cond)
        dones = []
        for side, taken in ((r.then, cond), (r.orelse, lg.neg(cond))):
            pulse = lg.both(start, taken)
            if side:
                done, _ = self.sequence(side, pulse)
            else:
                done = self.bit("skip", pulse, r.span)
            dones.append(done)
        for m in r.merges:
            dtype = net_dtype(m.var.dtype, m.var.span)
            net = self.net(m.var.hint, dtype, m.var.span)
            self.nets[m.var] = net
            a, b = (lg.cast(self.atom(e), dtype) for e in (m.then, m.orelse))
            self.registers.append(Register(net, lg.select(dones[0], a, b), lg.either(*dones), None))
        done = lg.either(*dones)
        return self.bit("joined", done, r.span) if any(m.var in self.early for m in r.merges) else done


def _kind(r: Region) -> str:
    match r:
        case Block():
            return "block"
        case Pipe():
            return "_".join(s.var.hint for s in r.loops)
        case Repeat():
            return "while"
        case Loop():
            return r.counter.var.hint if r.counter else "while"
        case Branch():
            return "if"


def _is_computed(n: Node) -> bool:
    return n.kind not in (Kind.CONST, Kind.INPUT)
