"""The netlist in the making: nets, registers, the bits that a pulse runs through, and what a graph does to memories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gemel.hwsynth import logic as lg
from gemel.hwsynth.binding import Makers, Problem
from gemel.hwsynth.charting import bars
from gemel.hwsynth.charts import Chart
from gemel.hwsynth.count import Count, Turns, cycles, variables_of
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.generate.telling import Telling
from gemel.hwsynth.netlist import Register, Wire
from gemel.hwsynth.nodes import Kind, net_dtype
from gemel.hwsynth.ports import Ports
from gemel.hwsynth.regions import (
    Region,
    all_regions,
    control_uses,
    data_uses,
    label,
    variables,
)
from gemel.hwsynth.report import LoopReport
from gemel.hwsynth.schedule import Clock, Edge, Limits, Schedule
from gemel.hwsynth.sharing import Sharing
from gemel.hwsynth.stages import Stages
from gemel.hwsynth.units import Bank
from gemel.semantics import build, intervals, ops
from gemel.semantics.dtypes import IndexType, IntType, int_holding
from gemel.semantics.ir import Apply, Assert, Buffer, Const, Expr, For, Ref, Var
from gemel.semantics.span import BUILTIN, Span


@dataclass(frozen=True)
class Noted:
    """Nets, checks and loops, memories with more read ports, words of memories, arrays with two copies."""

    nets: dict[Var, Var]
    sites: list[Assert]
    loops: list[LoopReport]
    more: dict[str, int]
    depths: dict[Buffer, int]
    twins: frozenset[Buffer]


@dataclass
class Generator:
    """The netlist in the making."""

    clock: Clock
    ports: Ports
    top: list[Region]
    makers: Makers
    wires: list[Wire] = field(default_factory=list)
    registers: list[Register] = field(default_factory=list)
    nets: dict[Var, Var] = field(default_factory=dict)
    sites: list[Assert] = field(default_factory=list)
    fails: list[tuple[Expr, int]] = field(default_factory=list)
    loops: list[LoopReport] = field(default_factory=list)
    units: Bank = field(default_factory=Bank)
    shared: Sharing = field(default_factory=Sharing)
    pool: dict[object, list[tuple[int, set[Region]]]] = field(default_factory=dict)
    early: set[Var] = field(default_factory=set)
    used: dict[Var, set[int]] = field(default_factory=dict)
    around: list[For] = field(default_factory=list)
    """The loops around the region that is being planned, as far as their counters are known without a run."""
    banks: Mapping[Buffer, Var] = field(default_factory=dict)
    """Arrays with two copies, and which one the stage that is being planned has."""
    kill: Var | None = None
    depth: int = 0
    telling: Telling = field(default_factory=Telling)
    drafts: list[tuple[int, Chart]] = field(default_factory=list)
    together: set[tuple[Region, Region]] = field(default_factory=set)
    """Regions with statements that may run at the same time."""
    beside: list[tuple[LoopReport, tuple[tuple[str, int], ...]]] = field(default_factory=list)
    """Loops with those that may run at the same time, by name and line."""

    def __post_init__(self) -> None:
        for r in all_regions(self.top):
            self.early |= variables(control_uses(r))
            for v in variables(control_uses(r)):
                self.used.setdefault(v, set()).add(-1)
            for v in variables(data_uses(r)):
                self.used.setdefault(v, set()).add(id(r))

    # ------------------------------------------------------------------------------------------------------- pieces

    def net(self, hint: str, dtype: lg.NetType, span: Span, note: str = "") -> Var:
        """A new net; `note` is a few words about it for the reader of the text."""
        return self.telling.add(Var(hint, dtype, span), note)

    def told(self, *nets: Var | None) -> None:
        """Notes nets that planning made in the part that is open."""
        for v in nets:
            if v is not None:
                self.telling.add(v)

    def tag(self, r: Region) -> str:
        """What names of a region's control end with: nothing where it is the only one of its kind."""
        alike = sum(type(x) is type(r) for x in all_regions(self.top))
        return f"_{label(r)}" if alike > 1 else ""

    def register(self, hint: str, nxt: Expr, span: Span, enable: Expr | None = None, reset: int | None = None) -> Expr:
        """A new register."""
        var = self.net(hint, lg.net_type(nxt), span)
        self.registers.append(Register(var, nxt, enable, reset))
        return Ref(var, span)

    def staged(self, hint: str, value: Expr, span: Span, enable: Expr | None, region: Region | None) -> Expr:
        """A register for a value of a region, which doesn't outlive it; None where it does.

        Regions that load one net share it, if it is loaded in each cycle or they never run at once.
        """
        key = (value.var if isinstance(value, Ref) else None, value.dtype, enable is None)
        places = self.pool.setdefault(key, []) if key[0] and region else []
        for place, users in places:
            if region is not None and region not in users and (enable is None or self._apart(region, users)):
                users.add(region)
                return self._also(place, enable)
        var = self.net(hint, lg.net_type(value), span)
        self.registers.append(Register(var, value, enable))
        if region is not None:
            places.append((len(self.registers) - 1, {region}))
        return Ref(var, span)

    def _apart(self, region: Region, others: set[Region]) -> bool:
        return all((region, other) not in self.together for other in others)

    def _also(self, place: int, enable: Expr | None) -> Expr:
        """A register that loads its value where `enable` holds, too."""
        r = self.registers[place]
        if r.enable is not None and enable is not None:
            self.registers[place] = Register(r.var, r.next, lg.either(r.enable, enable))
        return Ref(r.var, r.var.span)

    def named(self, hint: str, value: Expr, span: Span) -> Expr:
        """An expression by a name that the netlist shows; literals and nets as they are."""
        if not isinstance(value, Apply):
            return value
        net = self.net(hint, lg.net_type(value), span)
        self.wires.append(Wire(net, value))
        return Ref(net, span)

    def constant(self, hint: str, value: int, dtype: lg.NetType, span: Span) -> Expr:
        """A literal with a name."""
        net = self.net(hint.upper(), dtype, span)
        self.wires.append(Wire(net, lg.number(value, dtype)))
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

    def control(self, e: Expr, env: Mapping[Var, Expr] | None = None) -> Expr:
        """What control computes from counters, in exact types; `env` has the values that they are about to take."""
        match e:
            case Ref() if env and e.var in env:
                return env[e.var]
            case Apply() if e.op is ops.CAST:
                inner = self.control(e.args[0], env)
                return inner if isinstance(e.dtype, IndexType) else lg.cast(inner, net_dtype(e.dtype, e.span))
            case Apply():
                return build.apply(e.op, *(self.control(a, env) for a in e.args), span=e.span)
            case _:
                return self.atom(e)

    def define(self, v: Var, value: Expr) -> None:
        """Gives a name the net of a value, by a wire where it has none of its own."""
        if not isinstance(value, Ref):
            net = self.net(v.hint, lg.net_type(value), v.span)
            self.wires.append(Wire(net, value))
            value = Ref(net, v.span)
        self.nets[v] = value.var

    # ------------------------------------------------------------------------------------------------------ planning

    def noted(self) -> Noted:
        """What planning has noted so far."""
        p = self.ports
        return Noted(dict(self.nets), list(self.sites), list(self.loops), dict(p.more), dict(p.depths), p.twins)

    def restore(self, noted: Noted) -> None:
        """Goes back to what planning had noted."""
        self.nets, self.sites[:], self.loops = dict(noted.nets), noted.sites, list(noted.loops)
        self.ports.more, self.ports.twins = dict(noted.more), noted.twins
        self.ports.depths |= noted.depths

    def known(self, count: Count | None) -> int | None:
        """A count that is the same whatever the loops around; None where it isn't."""
        return int(cycles(count, {})) if count is not None and not variables_of(count) else None

    def cost(self, count: Count | None) -> float:
        """The cycles of all runs of a region together; infinity where they aren't known."""
        for s in reversed(self.around):
            if count is not None and isinstance(s.step, Const):
                count = Turns(s.var, s.lo, s.hi, int(s.step.value), count)
        return float("inf") if count is None else float(cycles(count, {}))

    # -------------------------------------------------------------------------------------------------------- graphs

    def graph(self) -> Graph:
        """An empty dataflow graph."""
        return Graph(
            self.clock,
            outer=self.outer,
            sites=self.sites,
            depth_of=self.ports.depths,
            counts=self.ports.counts,
            shared=self.shared,
            banks=self.banks,
        )

    def chain(self, first: Expr, depth: int, span: Span, hint: str) -> list[Expr]:
        """Bits that a pulse runs through, the first one given."""
        bits = [first]
        for n in range(1, depth):
            bits.append(self.bit(f"{hint}{n}" if depth > 2 else hint, bits[-1], span))
        return bits

    def effects(self, g: Graph, stages: Stages, bits: list[Expr]) -> None:
        """The memory accesses, units' operations and checks of a scheduled graph."""
        stages.lead(g.nodes)
        for n in g.nodes:
            stages.call(n)
        for n in g.nodes:
            active = bits[n.cycle] if n.cycle < len(bits) else lg.FALSE
            if n.pred is not None and n.kind in (Kind.STORE, Kind.CHECK):
                active = lg.both(active, stages.value(n.pred, n.cycle))
            if n.kind is Kind.LOAD and n.buffer is not None:
                self.ports.read(n.buffer, n.port, active, stages.value(n.args[0], n.cycle))
            elif n.kind is Kind.STORE and n.buffer is not None:
                addr, data = (stages.value(a, n.cycle) for a in n.args)
                self.ports.write(n.buffer, n.port, active, addr, data)
            elif n.kind is Kind.UNIT and n.unit is not None:
                operands = [stages.value(a, n.cycle) for a in n.args]
                self.units.use(n.unit, n.port, active, operands, n.span)
            elif n.kind is Kind.CHECK:
                bad = lg.both(active, lg.neg(stages.value(n.args[0], n.cycle)))
                self.fails.append((bad, n.site))

    def schedule(self, g: Graph, edges: Sequence[Edge], pipelined: bool, every: int = 0) -> Schedule:
        """Schedules a graph under edges, and chooses its units."""
        found = self._problem(g, edges, pipelined, every).bound()
        for n in g.nodes:
            if n.unit is not None and not n.unit.latency:  # what is combinational has its own: no paths that are false
                n.port = next(self.units.numbers)
        return found

    def tried(self, g: Graph, edges: Sequence[Edge], ports: Limits | None = None) -> Schedule:
        """The schedule that a pipelined graph would have with the first units that do, and with other `ports`."""
        problem = self._problem(g, edges, True, 0)
        return (problem if ports is None else replace(problem, ports=ports)).first()

    def _problem(self, g: Graph, edges: Sequence[Edge], pipelined: bool, every: int) -> Problem:
        beside = len(self.top) > 1
        return Problem(
            g.nodes, edges, self.clock, self.ports.limits, pipelined, every, self.makers, self.shared, beside
        )

    def draw(self, g: Graph, ii: int | None, depth: int) -> None:
        """Keeps a region's schedule for the report."""
        shown = tuple(bars(g.nodes, self.clock, self.ports.names))
        self.drafts.append((self.telling.open[-1], Chart("", BUILTIN, ii, depth, self.clock.period, shown)))

    def reports(self) -> tuple[LoopReport, ...]:
        """The loops, with those that they run together with."""
        beside = {id(r): names for r, names in self.beside}
        return tuple(replace(r, beside=beside.get(id(r), ())) for r in self.loops)

    def charts(self) -> tuple[Chart, ...]:
        """The schedules of all regions, by the titles of their parts of the text."""
        titles = self.telling.titles
        return tuple(replace(c, title=titles[part][0], span=titles[part][1]) for part, c in self.drafts)

    def span_type(self, s: For) -> IntType:
        """A type for a counter between bounds that are not constant; it also holds the bound itself."""
        ends = [intervals.of_type(lg.net_type(self.control(e))) for e in (s.lo, s.hi)]
        known = [e for e in ends if e]
        return int_holding(min(e[0] for e in known), max(e[1] for e in known))
