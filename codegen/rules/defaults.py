"""What the CPU does with a kernel that nobody has scheduled: a default schedule, printed and editable like a user's."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from gemel.codegen.host import Host, this_host
from gemel.codegen.rules import blocks, contraction, elementwise, nests, planes, rows, scans, shares, stencils
from gemel.codegen.rules.effort import middle, trips
from gemel.semantics.ir import For, Kernel, LoopKind, Reduce, Var
from gemel.semantics.passes.interchange import better, interchange
from gemel.semantics.schedule.names import ending, find, loops, nest
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import statements

EMPTY = 4
"""How many times as long a loop may be in a rectangle as it is on average: a triangle in two loops takes 3."""

LONGEST = 500
"""Statements beyond which a kernel stays as it is: steps look at all of it."""


def scheduled(kernel: Kernel, host: Host | None = None, steps: str = "") -> Scheduled:
    """A guarded kernel of known sizes with the default schedule for a CPU; without steps where it has none.

    `steps` take its place, if all of them can be taken.
    """
    if steps:
        with suppress(Exception):  # whatever was wrong with them, the default is there
            return Scheduled.of(kernel).replay(steps)
    schedule, host = Scheduled.of(kernel), host or this_host()
    if not _by_itself(kernel):
        return schedule
    schedule = stencils.schedule(schedule, host)
    if not kernel.strict:  # what may round otherwise
        schedule = nests.schedule(blocks.schedule(nests.fills_apart(schedule), host))
        for name in _nests(schedule.kernel):
            schedule = attempt(schedule, _contraction, name, host)
        schedule = nests.along_memory(_unit_strides(schedule))  # rows are those of memory
        schedule = rows.schedule(scans.schedule(schedule, host), host)
    schedule = planes.near(elementwise.schedule(schedule, host), host)
    schedule = schedule if kernel.strict else _unit_strides(schedule)
    return shares.schedule(nests.along_memory(schedule), host)


def by_default(kernel: Kernel, host: Host | None = None, steps: str = "") -> Kernel:
    """The kernel, scheduled by some steps or by default, unless it has been scheduled."""
    if kernel.scheduled:
        return kernel
    made = scheduled(kernel, host, steps)
    return interchange(made.kernel if made.steps else kernel)


@dataclass(frozen=True)
class ByDefault:
    """`by_default` for another CPU, or by steps that have been found."""

    host: Host | None = None
    steps: str = ""

    def __call__(self, kernel: Kernel) -> Kernel:
        return by_default(kernel, self.host, self.steps)


def _by_itself(kernel: Kernel) -> bool:
    """Whether nobody has said how a part of the kernel is to be computed, and it is no page of straight-line code."""
    every = list(statements(kernel.body))
    kinds = {s.kind for s in every if isinstance(s, For)}
    return kinds <= {LoopKind.SERIAL} and len(every) <= LONGEST


def _nests(kernel: Kernel) -> list[str]:
    """The outermost loops of nests that sum products."""
    found, seen = [], set()
    for place in loops(kernel.body):
        if place.loop in seen:
            continue
        chain = nest(place.loop)
        seen.update(chain)
        if len(chain) >= 3 and isinstance(ending(chain[-1].body), Reduce):
            found.append(chain[0].var.hint)
    return found


def _unit_strides(schedule: Scheduled) -> Scheduled:
    """What is left as it was gets the loop with unit strides innermost, as `interchange` would do."""
    for name in [place.loop.var.hint for place in loops(schedule.kernel.body)]:
        found = better(find(schedule.kernel, name).loop)
        if found is not None:
            order = [s.var.hint for s in found[0]]
            schedule = schedule.attempt("reorder", *order)
    return schedule


def _contraction(schedule: Scheduled, name: str, host: Host) -> Scheduled:
    """A nest as a contraction, where it is one; triangular ones in rectangles under conditions."""
    boxed = _boxed(schedule, name)
    top = find((boxed or schedule).kernel, name).loop
    what, small = contraction.contraction(top, host) if boxed else None, planes.filter_of(top)
    if what is None and small is not None:
        return planes.schedule(schedule, small, host)
    if what is None or what.depth * what.sizes[what.row] * what.sizes[what.column] < contraction.SMALLEST:
        return schedule
    return contraction.schedule(boxed or schedule, what, host)


def _boxed(schedule: Scheduled, name: str) -> Scheduled | None:
    """A triangular nest in a rectangle; None where that would be mostly empty."""
    chain = nest(find(schedule.kernel, name).loop)
    typical: dict[Var, int] = {}
    for n, inner in enumerate(chain):
        count, typical[inner.var] = trips(inner, typical), middle(inner, typical)
        for outer in reversed(chain[:n]):
            if outer.var in variables(inner.lo) | variables(inner.hi):
                schedule = schedule.step("box", inner.var.hint, outer.var.hint)
        if trips(find(schedule.kernel, inner.var.hint).loop, {}) > EMPTY * count:
            return None
    return schedule
