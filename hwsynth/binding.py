"""Units for the operations of a region: which implementation, and which instance of it each operation uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gemel.hwsynth.nodes import Node
from gemel.hwsynth.schedule import Clock, Edge, Limits, Schedule, modulo_schedule
from gemel.hwsynth.units import Operation, Unit
from gemel.semantics.errors import SynthesisError


class Makers(Protocol):
    """Who makes units."""

    def pipelined(self, operation: Operation, clock: Clock) -> Unit:
        """The unit that takes operands in each cycle."""

    def iterative(self, operation: Operation, clock: Clock) -> Unit | None:
        """The unit that is busy for several cycles, where there is one."""


@dataclass(frozen=True)
class Problem:
    """A region to schedule: what `modulo_schedule` takes, and who makes units."""

    nodes: Sequence[Node]
    edges: Sequence[Edge]
    clock: Clock
    ports: Limits
    pipelined: bool
    every: int
    makers: Makers

    def solved(self) -> Schedule:
        """The schedule with the units that the nodes have."""
        return modulo_schedule(self.nodes, self.edges, self.clock, self.ports, self.pipelined, self.every)

    def bound(self) -> Schedule:
        """The schedule, with units chosen.

        Units that take operands in each cycle come first. Where iterations begin so rarely that a smaller one serves as
        well, it takes the place.
        """
        work = [n for n in self.nodes if n.operation is not None]
        for n in work:
            n.unit = _pipelined(n, self.clock, self.makers)
        best = self.solved()
        smaller = {n: self._smaller(n, best.ii) for n in work}
        changes = [n for n in work if smaller[n] is not None]
        groups = [changes, *([n] for n in changes)] if len(changes) > 1 else [changes] if changes else []
        for group in groups[:TRIES]:
            better = self._tried(group, smaller, best)
            if better is not None:
                best = better
                if group is changes:
                    break
        return self.solved() if groups else best

    def _smaller(self, n: Node, ii: int) -> Unit | None:
        unit = self.makers.iterative(n.operation, self.clock) if n.operation else None
        return unit if unit is not None and unit.interval <= ii else None

    def _tried(self, group: Sequence[Node], smaller: Mapping[Node, Unit | None], best: Schedule) -> Schedule | None:
        """The schedule with smaller units for some nodes; None, and as before, where that costs too many cycles."""
        before = [n.unit for n in group]
        for n in group:
            n.unit = smaller[n]
        found = self.solved()
        if found.ii <= best.ii and found.depth <= best.depth * SLACK:
            return found
        for n, unit in zip(group, before, strict=True):
            n.unit = unit
        return None


SLACK = 1.25
"""How much deeper a region may be with smaller units."""

TRIES = 12
"""Groups of operations that are tried with smaller units."""


def _pipelined(n: Node, clock: Clock, makers: Makers) -> Unit:
    """The unit of a node that takes operands in each cycle; an error is told at the node's line."""
    if n.operation is None:
        raise TypeError("no operation of a unit")
    try:
        return makers.pipelined(n.operation, clock)
    except SynthesisError as error:
        what = f"{n.operation.name}: {error.what}"
        raise SynthesisError(what, code=error.code, span=n.span, mend=error.mend, notes=error.notes) from None
