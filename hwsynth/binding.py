"""Units for the operations of a region: which implementation, and which instance of it each operation uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gemel.hwsynth.nodes import Node
from gemel.hwsynth.schedule import Clock, Edge, Limits, Schedule, modulo_schedule
from gemel.hwsynth.sharing import Sharing
from gemel.hwsynth.units import Operation, Unit
from gemel.semantics.errors import SynthesisError


class Makers(Protocol):
    """Who makes units."""

    def pipelined(self, operation: Operation, clock: Clock, registered: bool = False) -> Unit:
        """The unit that takes operands in each cycle; with `registered` there is a register on the way in any case."""

    def iterative(self, operation: Operation, clock: Clock) -> Unit | None:
        """The unit that is busy for several cycles, where there is one."""


@dataclass
class Problem:
    """A region to schedule: what `modulo_schedule` takes, who makes units, and what limits there are on these.

    `beside` says that other regions may use the same units.
    """

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    clock: Clock
    ports: Limits
    pipelined: bool
    every: int
    makers: Makers
    shared: Sharing
    beside: bool
    last: Schedule | None = None

    def solved(self, most: Mapping[str, int]) -> Schedule:
        """The schedule with the units that the nodes have, of which at most so many work at once."""
        found = modulo_schedule(self.nodes, self.edges, self.clock, self.ports, self.pipelined, self.every, most)
        self.last = found
        return found

    def first(self) -> Schedule:
        """The schedule with the units to begin with."""
        for n in self.nodes:
            if n.operation is not None:
                n.unit = self._first(n)
        return self.solved(self.shared.limits)

    def bound(self) -> Schedule:
        """The schedule, with units chosen.

        Units that take operands in each cycle come first. Where iterations begin so rarely that a smaller one serves as
        well, it takes the place. Then as few of each kind are taken as cost no cycle.
        """
        work = [n for n in self.nodes if n.operation is not None]
        best = self.first()
        most: dict[str, int] = dict(self.shared.limits)
        if not work:
            return best
        best = self._registered([n for n in work if n.unit and not n.unit.latency], most, best)
        best = self._serial([n for n in work if n.operation and n.operation.resource not in most], most, best)
        best = self._fewer(work, most, best)
        return best if best is self.last else self.solved(most)  # what was tried last is in the nodes

    # ----------------------------------------------------------------------------------------------- choices of units

    def _first(self, n: Node) -> Unit:
        """The unit to begin with; an error is told at the node's line."""
        if n.operation is None:
            raise TypeError("no operation of a unit")
        limited = n.operation.resource in self.shared.limits
        try:
            serial = self.makers.iterative(n.operation, self.clock) if limited else None
            unit = self.makers.pipelined(n.operation, self.clock, limited)
        except SynthesisError as error:
            what = f"{n.operation.name}: {error.what}"
            raise SynthesisError(what, code=error.code, span=n.span, mend=error.mend, notes=error.notes) from None
        if serial is not None and self.pipelined:
            self.shared.fast.add(n.operation.resource)
        return serial if serial is not None and n.operation.resource not in self.shared.fast else unit

    def _registered(self, work: Sequence[Node], most: Mapping[str, int], best: Schedule) -> Schedule:
        """With a register in units that have none, as others can share these, if that costs nothing."""
        if not work or not (self.beside or best.ii > 1):
            return best
        changed = {n: self.makers.pipelined(n.operation, self.clock, True) for n in work if n.operation}
        return self._tried(work, changed, most, best, 1.0) or best

    def _serial(self, work: Sequence[Node], most: Mapping[str, int], best: Schedule) -> Schedule:
        """With smaller units, of all operations or one by one."""
        smaller = {n: self._smaller(n, best.ii) for n in work}
        changes = [n for n in work if smaller[n] is not None]
        slack = SLACK if self.pipelined else SLACK_ONCE
        everything = self._tried(changes, smaller, most, best, slack) if changes else best
        if everything is not None:
            return everything
        for n in changes[:TRIES]:
            best = self._tried([n], smaller, most, best, slack) or best
        return best

    def _smaller(self, n: Node, ii: int) -> Unit | None:
        unit = self.makers.iterative(n.operation, self.clock) if n.operation else None
        return unit if unit is not None and unit.interval <= ii else None

    def _tried(
        self,
        group: Sequence[Node],
        changed: Mapping[Node, Unit | None],
        most: Mapping[str, int],
        best: Schedule,
        slack: float,
    ) -> Schedule | None:
        """The schedule with other units for some nodes; None, and as before, where that costs too many cycles."""
        before = [n.unit for n in group]
        for n in group:
            n.unit = changed[n]
        found = self.solved(most)
        if found.ii <= best.ii and found.depth <= best.depth * slack:
            return found
        for n, unit in zip(group, before, strict=True):
            n.unit = unit
        return None

    # ---------------------------------------------------------------------------------------------- numbers of units

    def _fewer(self, work: Sequence[Node], most: dict[str, int], best: Schedule) -> Schedule:
        """With as few units of each kind as cost no cycle; notes the numbers in `most`."""
        busy: Counter[str] = Counter()
        for n in work:
            if n.unit is not None and n.unit.latency:
                busy[n.unit.operation.resource] += n.unit.interval
        for kind in sorted(busy.keys() - most.keys()) if len(self.nodes) <= LARGE else ():
            used = _at_once(work, kind)
            for number in range(-(-busy[kind] // best.ii), used)[:TRIES]:
                found = self.solved({**most, kind: number})
                if found.ii <= best.ii and found.depth <= best.depth:
                    most[kind], best = number, found
                    break
        return best


def _at_once(work: Sequence[Node], kind: str) -> int:
    """The instances of one kind that a schedule uses."""
    return len({(n.unit, n.port) for n in work if n.unit and n.unit.operation.resource == kind})


LARGE = 4000
"""Nodes of a region beyond which no other schedules are tried to save units."""

SLACK = 1.25
"""How much deeper a region may be with smaller units."""

SLACK_ONCE = 2.5
"""The same of a region that runs once, where nothing follows into the stages of a pipelined unit."""

TRIES = 12
"""Groups of operations that are tried with smaller units."""
