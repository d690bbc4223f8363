"""Fewer registers for a schedule: operations begin later where their results then wait for less time.

The earliest starts are what a schedule is found with; its II and depth stay. From the last operation to the first, each
moves as late as its users, the order of memory accesses, free ports and the clock let it, if its result and operands
together then take fewer register bits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth.modulo import Resource, Rule, Task
from gemel.hwsynth.nodes import Kind, Node
from gemel.semantics import ops

MOVING = (Kind.OP, Kind.LOAD)
NO_REGISTER = (Kind.CONST, Kind.INPUT, Kind.STORE, Kind.CHECK, Kind.WRITE, Kind.UNIT)
PARTS = (ops.BITS, ops.CAST)
FARTHEST = 16
"""Starts that are tried for an operation."""


@dataclass
class Late:
    """A schedule that changes: start cycles, and when in its cycle each result is there, in ns."""

    nodes: Sequence[Node]
    tasks: Sequence[Task]
    rules: Sequence[Rule]
    room: float
    units: Mapping[Resource, int]
    ii: int
    cycle: list[int]
    at: list[float]
    users: list[list[int]] = field(init=False)
    after: dict[int, list[Rule]] = field(init=False)
    last: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.users, self.after = [[] for _ in self.tasks], {}
        self.taken: Counter[tuple[Resource, int]] = Counter()
        for k, t in enumerate(self.tasks):
            for a in t.operands:
                self.users[a].append(k)
            if t.unit is not None:
                self.taken[t.unit, self.cycle[k] % self.ii] += 1
        for r in self.rules:
            self.after.setdefault(r.src, []).append(r)
        self.last = [max((self.cycle[u] for u in users), default=-1) for users in self.users]
        self.kept = [self._kept(k) for k in range(len(self.nodes))]

    def _kept(self, k: int) -> int:
        """The last cycle in which a value that a register has anyway is still that of the iteration."""
        kind = self.nodes[k].kind
        if kind is Kind.COUNTER:
            return self.ii - 1
        ends = [self.cycle[r.to] for r in self.after.get(k, ()) if self.nodes[r.to].kind is Kind.WRITE]
        return max(ends, default=-1) if kind is Kind.PHI else -1

    def run(self) -> None:
        """Moves each operation once."""
        for k in reversed(range(len(self.nodes))):
            self.sink(k)
            if self.nodes[k].kind in MOVING and self.users[k]:
                gain, best = max(((self.gain(k, c), c) for c in self.candidates(k)), default=(0, 0))
                if gain > 0:
                    self.move(k, best)

    def ready(self, k: int) -> int:
        """The cycle in which a result is there."""
        return self.cycle[k] + self.tasks[k].latency

    # ---------------------------------------------------------------------------------------------------- what it costs

    def registers(self, k: int, ready: int, last: int) -> int:
        """The bits that a result takes from when it is ready to its last use."""
        if self.nodes[k].kind in NO_REGISTER:
            return 0
        wait = last - max(ready, self.kept[k])
        return self.nodes[k].width * -(-wait // self.ii) if wait > 0 else 0

    def gain(self, k: int, cycle: int) -> int:
        """The register bits saved by another start; an equal number is no reason to move."""
        latency, last = self.tasks[k].latency, self.last[k]
        saved = self.registers(k, self.ready(k), last) - self.registers(k, cycle + latency, last)
        return saved - sum(self.waits(a, k, cycle) for a in self.tasks[k].operands)

    def waits(self, a: int, k: int, cycle: int) -> int:
        """The register bits that an operand takes in addition where `k` begins in another cycle.

        What takes no time, as wires do, can move along if nobody else needs it before.
        """
        wires = self.nodes[a].kind is Kind.OP and not (self.tasks[a].delay or self.tasks[a].latency)
        if wires and all(self.cycle[u] >= cycle for u in self.users[a] if u != k):
            return sum(self.waits(b, a, cycle) for b in self.tasks[a].operands)
        return self.growth(a, cycle)

    def growth(self, k: int, last: int) -> int:
        """The register bits that a result takes in addition if it is used as late as that."""
        ready, now = self.ready(k), self.last[k]
        return self.registers(k, ready, max(now, last)) - self.registers(k, ready, now)

    def sink(self, k: int) -> None:
        """Parts of a result are taken where they are used, if holding all of it takes fewer registers than these."""
        to = {u: min(self.cycle[v] for v in self.users[u]) for u in self.users[k] if self.is_part(u)}
        to = {u: c for u, c in to.items() if c > self.cycle[u]}
        held = (
            self.registers(u, self.cycle[u], self.last[u]) - self.registers(u, c, self.last[u]) for u, c in to.items()
        )
        if to and sum(held) > self.growth(k, max(to.values())):
            self.last[k] = max(self.last[k], *to.values())
            for u, c in to.items():
                self.cycle[u], self.at[u] = c, 0.0

    def is_part(self, k: int) -> bool:
        """Whether a node, which is used, does nothing but pick bits of another."""
        return bool(self.users[k]) and self.nodes[k].op in PARTS and not self.tasks[k].delay and k not in self.after

    # ------------------------------------------------------------------------------------------------- what is possible

    def candidates(self, k: int) -> Iterator[int]:
        """Later starts with which all constraints hold."""
        latency = self.tasks[k].latency
        latest = min(self.cycle[u] for u in self.users[k]) - latency
        for r in self.after.get(k, ()):
            latest = min(latest, self.cycle[r.to] - r.latency + r.distance * self.ii)
        first = max(self.cycle[k] + 1, latest - FARTHEST)
        return (c for c in range(first, latest + 1) if self.is_free(k, c) and self.fits(k, c))

    def is_free(self, k: int, cycle: int) -> bool:
        """Whether there is a unit or port for the operation."""
        task, slot = self.tasks[k], cycle % self.ii
        others = self.taken[task.unit, slot] - (slot == self.cycle[k] % self.ii) if task.unit is not None else 0
        return task.busy == 1 and (task.unit is None or others < self.units.get(task.unit, others + 1))

    def fits(self, k: int, cycle: int) -> bool:
        """Whether the clock holds the operation and no user's result comes later than before."""
        at, needed = self.result_at(k, cycle)
        if needed > self.room:
            return False
        chained = [u for u in self.users[k] if self.cycle[u] == cycle + self.tasks[k].latency]
        return all(self.in_time(u, at) for u in chained)

    def result_at(self, k: int, cycle: int) -> tuple[float, float]:
        """When a result is there with another start, and when the logic before it or before its register is done."""
        task = self.tasks[k]
        begun = max((self.at[a] for a in task.operands if self.ready(a) == cycle), default=0.0)
        return (task.delay, begun + task.setup) if task.latency else (begun + task.delay,) * 2

    def in_time(self, user: int, at: float) -> bool:
        """Whether an operand may come that late into its user's cycle."""
        task = self.tasks[user]
        if task.latency or not self.users[user]:
            return at + (task.setup if task.latency else task.delay) <= self.room
        return at <= self.at[user] - task.delay

    def move(self, k: int, cycle: int) -> None:
        """Gives an operation another start."""
        unit = self.tasks[k].unit
        if unit is not None:
            self.taken[unit, self.cycle[k] % self.ii] -= 1
            self.taken[unit, cycle % self.ii] += 1
        self.at[k] = self.result_at(k, cycle)[0]
        self.cycle[k] = cycle
        for a in self.tasks[k].operands:
            self.last[a] = max(self.last[a], cycle)
        for u in self.users[k]:
            if not self.tasks[u].latency and self.cycle[u] == self.ready(k):
                self.at[u] = max(self.at[u], self.at[k] + self.tasks[u].delay)
