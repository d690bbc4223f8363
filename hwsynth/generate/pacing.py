"""The pace of a pipelined nest: its II, and how long it pauses where an inner loop has come to its end.

A value that only the next turn of an outer loop needs may take longer than the II, if the nest pauses before that turn.
Pauses are whole IIs, so that what shares a unit stays apart. The II is the least one without pauses, or the least one
with as long pauses as that needs, whichever takes fewer cycles in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gemel.hwsynth.dependence import Order
from gemel.hwsynth.schedule import Edge, Schedule

Scheduler = Callable[[Sequence[Edge]], Schedule]
"""Schedules the nest's graph under edges."""


@dataclass(frozen=True)
class Pace:
    """A schedule, and for each loop but the innermost the cycles of its pauses."""

    schedule: Schedule
    gaps: tuple[int, ...]


@dataclass(frozen=True)
class Pacing:
    """The search: `orders` are the nest's edges, `inner` its innermost level, `cycles` what a pace costs.

    `scheduler` finds the least II; `final` schedules at the II that is asked for, if any.
    """

    scheduler: Scheduler
    final: Scheduler
    orders: Sequence[Order]
    inner: int
    cycles: Callable[[Pace], float]

    def best(self) -> Pace:
        """The pace that takes the fewest cycles; the schedule is left in the nodes."""
        return self._again(self.fastest())

    def fastest(self) -> Pace:
        """The same before units are chosen, and whatever II is asked for."""
        steady = Pace(self.scheduler(self._edges((0,) * self.inner)), (0,) * self.inner)
        if not any(o.level is not None and o.level < self.inner for o in self.orders):
            return steady
        free = self.scheduler(self._edges((None,) * self.inner))
        if free.ii == steady.schedule.ii:
            return steady
        return min((steady, self._paced(free)), key=self.cycles)

    def _again(self, pace: Pace) -> Pace:
        schedule = self.final(self._edges(pace.gaps))
        return Pace(schedule, tuple(-(-gap // schedule.ii) * schedule.ii for gap in pace.gaps))

    def _edges(self, gaps: Sequence[int | None]) -> list[Edge]:
        """The edges under pauses; those that pauses of unknown length would keep are left out."""
        return list(self._kept(gaps))

    def _kept(self, gaps: Sequence[int | None]) -> Iterator[Edge]:
        for o in self.orders:
            gap = gaps[o.level] if o.level is not None and o.level < self.inner else 0
            if gap is not None:
                yield replace(o.edge, latency=o.edge.latency - gap)

    def _paced(self, free: Schedule) -> Pace:
        """The least pauses at the II that the innermost loop alone would have; an outer one is no shorter."""
        gaps: list[int | None] = [None] * self.inner
        schedule = free
        for level in reversed(range(self.inner)):
            least = 0 if level + 1 == self.inner else gaps[level + 1] or 0
            schedule, gaps[level] = self._least(gaps, level, least, schedule)
        return Pace(schedule, tuple(g or 0 for g in gaps))

    def _least(self, gaps: Sequence[int | None], level: int, least: int, schedule: Schedule) -> tuple[Schedule, int]:
        """The least pause of a level at which the II stays, by bisection in whole IIs."""
        ii = schedule.ii

        def at(turns: int) -> Schedule:
            return self.scheduler(self._edges([*gaps[:level], turns * ii, *gaps[level + 1 :]]))

        low, high = -(-least // ii), -(-max(self._missing(level, schedule), least) // ii)
        while low < high:
            middle = (low + high) // 2
            if at(middle).ii == ii:
                high = middle
            else:
                low = middle + 1
        return at(high), high * ii

    def _missing(self, level: int, schedule: Schedule) -> int:
        """The pause that the starts in the nodes, found without it, would need."""
        edges = [o.edge for o in self.orders if o.level == level]
        return max((e.src.cycle + e.latency - e.distance * schedule.ii - e.to.cycle for e in edges), default=0)
