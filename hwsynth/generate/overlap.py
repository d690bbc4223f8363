"""Which regions of a sequence run at the same time, and which ports and units each of them then has.

A region waits for those before it that it has to come after: one defines a value that it reads, or they access a
memory that one of them writes, or there are too few ports or units for both. One with checks runs alone, so that of
several checks that fail the first in the kernel's order is told. All others begin as early as they can, where that
makes the whole shorter; regions that use the same units only where it makes a difference.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth.count import Count, Fixed, most, total, variables_of
from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.plans import BlockPlan, BranchPlan, LoopPlan, PipePlan, Plan, RepeatPlan, Series, StagedPlan
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.regions import control_uses, data_uses, variables
from gemel.hwsynth.units import Unit
from gemel.semantics.ir import Buffer, Var

UNKNOWN = 1000
"""The cycles of a region whose cycles depend on data, where it is to be decided what they are worth."""

PORTS = 1.05
"""Cycles that are worth more read ports of memories."""

Leaf = BlockPlan | PipePlan | RepeatPlan
Place = tuple[Buffer, Kind] | Unit
"""Memory ports of a kind, or the instances of a unit."""


def arranged(gen: Generator, plans: Sequence[Plan], stage: Sequence[int] = ()) -> Series:
    """The regions of a sequence with who waits for whom; gives those that run together ports and units of their own.

    Regions of different stages, where there are any, belong to different iterations and only share ports and units.
    """
    order = _found(gen, plans, stage or [0] * len(plans))
    for n, (p, shifts) in enumerate(zip(plans, order.places, strict=True)):
        _shift(p, shifts)
        _note(gen, p, [plans[k] for k in range(len(plans)) if order.together(k, n)])
    waits = tuple(map(order.direct, range(len(plans))))
    return Series(plans, waits, cycles_of(plans, waits, range(len(plans))))


def _found(gen: Generator, plans: Sequence[Plan], stage: Sequence[int]) -> _Order:
    """Who waits for whom; memories inside get more read ports where the whole is much shorter with them."""
    uses, weights = [_Uses.of(p) for p in plans], [_weight(gen, p) for p in plans]
    reads = {b: most for b, most in gen.ports.most.items() if sum((b, Kind.LOAD) in u.places for u in uses) > 1}
    limits = (gen.ports.limits, gen.ports.wider(reads)) if reads else (gen.ports.limits,)
    plain, *wider = (_Order(uses, weights, _Limits(ports, gen.shared.limits), stage) for ports in limits)
    plain.find()
    for order in wider:
        order.find()
        if order.length() * PORTS < plain.length():
            gen.ports.ask({b: (order.ports(b), 1) for b in reads})
            return order
    return plain


def _weight(gen: Generator, p: Plan) -> float:
    counters = {s.var for s in gen.around}
    return gen.cost(p.cycles if p.cycles is not None and variables_of(p.cycles) <= counters else Fixed(UNKNOWN))


def cycles_of(plans: Sequence[Plan], waits: Sequence[Sequence[int]], some: Collection[int]) -> Count | None:
    """The cycles in which some of the regions run, the others not."""
    ends: dict[int, Count | None] = {}
    for n in some:
        ends[n] = total(most(Fixed(0), *(ends[k] for k in waits[n] if k in ends)), plans[n].cycles)
    return most(Fixed(0), *ends.values())


def times_of(gen: Generator, s: Series, some: Collection[int], begin: int) -> dict[int, tuple[int, int]]:
    """When some regions of a sequence run that begins in a cycle; for all whose cycles are known."""
    found: dict[int, tuple[int, int]] = {}
    for n in some:
        own = gen.known(s.plans[n].cycles)
        first = max((found[k][1] for k in s.waits[n] if k in found), default=begin)
        found[n] = first, first + (own or 0)
    return found


def leaves(p: Plan) -> Iterator[Leaf]:
    """The regions with statements in a plan."""
    match p:
        case LoopPlan():
            inner: Sequence[Plan] = (*p.test.plans, *p.body.plans)
        case StagedPlan():
            inner = p.turn.plans
        case BranchPlan():
            inner = (*p.then.plans, *p.orelse.plans)
        case _:
            yield p
            return
    yield from itertools.chain.from_iterable(map(leaves, inner))


def _note(gen: Generator, p: Plan, others: Sequence[Plan]) -> None:
    """Notes what a region runs together with, for the sharing of registers and for the report."""
    for other in others:
        gen.together |= {(a.region, b.region) for a in leaves(p) for b in leaves(other)}
    rows = tuple(o.report for o in others if isinstance(o, PipePlan | LoopPlan | RepeatPlan | StagedPlan))
    if rows and isinstance(p, PipePlan | LoopPlan | RepeatPlan | StagedPlan):
        gen.beside.append((p.report, tuple((r.name, r.span.line) for r in rows)))


# ------------------------------------------------------------------------------------------------------------ conflicts


@dataclass
class _Uses:
    """What a region reads and writes, and the numbers of the ports and units that it has."""

    reads: set[Buffer] = field(default_factory=set)
    writes: set[Buffer] = field(default_factory=set)
    mentions: set[Var] = field(default_factory=set)
    defines: set[Var] = field(default_factory=set)
    checks: bool = False
    places: dict[Place, set[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, p: Plan) -> _Uses:
        """Those of a plan."""
        made = cls(defines=set(_defined(p)))
        made._mention(p)
        for leaf in leaves(p):
            for n in leaf.graph.nodes:
                made._node(n)
        return made

    def _mention(self, p: Plan) -> None:
        self.mentions |= variables(control_uses(p.region)) | variables(data_uses(p.region))
        inner = [s for s in vars(p).values() if isinstance(s, Series)]
        for x in itertools.chain.from_iterable(s.plans for s in inner):
            self._mention(x)

    def _node(self, n: Node) -> None:
        if n.buffer is not None:
            (self.writes if n.kind is Kind.STORE else self.reads).add(n.buffer)
        self.checks |= n.kind is Kind.CHECK
        place = place_of(n)
        if place is not None:
            self.places.setdefault(place, set()).add(n.port)

    def before(self, other: _Uses) -> bool:
        """Whether `other`, which comes later, has to wait."""
        memory = self.writes & (other.reads | other.writes) or self.reads & other.writes
        return self.checks or other.checks or bool(memory) or not self.defines.isdisjoint(other.mentions)


def place_of(n: Node) -> Place | None:
    """Whose ports or instances a node's `port` is one of; a unit without registers isn't shared."""
    if n.buffer is not None:
        return n.buffer, n.kind
    return n.unit if n.unit is not None and n.unit.latency else None


def _defined(p: Plan) -> Iterator[Var]:
    """The values that others find."""
    match p:
        case BlockPlan():
            yield from (v for v, _ in p.exports)
        case PipePlan():
            yield from (c.result for c in p.region.loops[0].carry)
        case RepeatPlan() | LoopPlan():
            yield from (c.result for c in p.region.carry)
        case BranchPlan():
            yield from (m.var for m in p.region.merges)
        case StagedPlan():
            pass


@dataclass(frozen=True)
class _Limits:
    """How many ports and instances there are; None where as many as it takes."""

    ports: Mapping[Buffer, tuple[int, int]]
    units: Mapping[str, int]

    def __call__(self, place: Place) -> int | None:
        if isinstance(place, Unit):
            return self.units.get(place.operation.resource)
        return self.ports[place[0]][place[1] is Kind.STORE]


# ---------------------------------------------------------------------------------------------------------------- order


@dataclass
class _Order:
    """Who waits for whom: `before` has for each region all that end before it begins."""

    uses: Sequence[_Uses]
    weights: Sequence[float]
    limits: _Limits
    stage: Sequence[int]
    before: list[set[int]] = field(default_factory=list)
    places: list[dict[Place, int]] = field(default_factory=list)
    """What is added to the numbers of a region's ports and instances."""

    def find(self) -> None:
        """Decides it."""
        for n, use in enumerate(self.uses):
            self.before.append(set())
            for k in reversed(range(n)):
                if k not in self.before[n] and self._alike(k, n) and self.uses[k].before(use):
                    self._wait(n, k)
            self._place(n)
        if self.length() >= sum(self.weights):
            self.before = [set(range(n)) for n in range(len(self.uses))]
        self._share_units()
        self.places = []
        for n in range(len(self.uses)):
            self._place(n)

    def ports(self, b: Buffer) -> int:
        """The read ports of a memory."""
        at = b, Kind.LOAD
        return max(max(u.places[at]) + p[at] + 1 for u, p in zip(self.uses, self.places, strict=True) if at in p)

    def together(self, a: int, b: int) -> bool:
        """Whether two regions may run at the same time."""
        return a != b and a not in self.before[b] and b not in self.before[a]

    def direct(self, n: int) -> tuple[int, ...]:
        """Those whose end a region looks at: others of the same stage have ended before these."""
        before = self.before[n]
        return tuple(sorted(k for k in before if not any(k in self.before[m] and self._alike(k, m) for m in before)))

    def _alike(self, a: int, b: int) -> bool:
        return self.stage[a] == self.stage[b]

    def _wait(self, n: int, k: int) -> None:
        self.before[n] |= {k, *self.before[k]}

    def length(self) -> float:
        """The cycles of the whole."""
        ends: list[float] = []
        for weight, before in zip(self.weights, self.before, strict=True):
            ends.append(weight + max((ends[k] for k in before), default=0.0))
        return max(ends, default=0.0)

    def _place(self, n: int) -> None:
        """The first ports and instances that none of those has that may run at the same time; else it waits."""
        found: dict[Place, int] = {}
        self.places.append(found)
        for place, numbers in self.uses[n].places.items():
            shift = self._free(n, place, numbers)
            limit = self.limits(place)
            while limit is not None and max(numbers) + shift >= limit and (users := self._users(n, place)):
                self._wait(n, users[-1])
                shift = self._free(n, place, numbers)
            found[place] = shift

    def _users(self, n: int, place: Place) -> list[int]:
        """Those before it that may run at the same time and use a place, too."""
        return [k for k in range(n) if place in self.uses[k].places and self.together(k, n)]

    def _free(self, n: int, place: Place, numbers: set[int]) -> int:
        taken = {m + self.places[k][place] for k in self._users(n, place) for m in self.uses[k].places[place]}
        return next(s for s in itertools.count() if taken.isdisjoint(m + s for m in numbers))

    def _share_units(self) -> None:
        """Lets regions that use the same units wait for each other where the whole takes no longer."""
        best = self.length()
        for n in range(len(self.uses)):
            units = {p for p in self.uses[n].places if isinstance(p, Unit)}
            for k in range(n):
                if self.together(k, n) and not units.isdisjoint(self.uses[k].places):
                    best = self._tried(n, k, best)

    def _tried(self, n: int, k: int, best: float) -> float:
        saved = [set(b) for b in self.before]
        self._wait(n, k)
        for later in range(n + 1, len(self.before)):
            for m in tuple(self.before[later]):
                self._wait(later, m)
        if self.length() > best:
            self.before = saved
        return best


def _shift(p: Plan, shifts: Mapping[Place, int]) -> None:
    """Gives a region other ports and instances."""
    for n in itertools.chain.from_iterable(leaf.graph.nodes for leaf in leaves(p)):
        place = place_of(n)
        if place is not None:
            n.port += shifts[place]
