"""Scheduling of a dataflow graph: nodes are tasks, memory ports are units; and why the II is what it is."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, prod

from gemel.hwsynth.late import Late
from gemel.hwsynth.modulo import ONCE, Recurrence, Resource, Rule, Task, Timing, schedule
from gemel.hwsynth.nodes import Kind, Node, stand_in
from gemel.hwsynth.targets import Target, choice, delay
from gemel.hwsynth.units import Unit
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import SynthesisError, counted
from gemel.semantics.ir import Apply, Buffer
from gemel.semantics.span import Span

NOT_PIPELINED = ONCE
"""The II of a region that runs once."""

NOTED = 1.5
"""The levels of gates from a check's condition to the register that keeps it, with the cycle and which failed first."""

Limits = Mapping[Buffer, tuple[int, int]]
"""The read and write ports of each memory."""


@dataclass(frozen=True)
class Edge:
    """`to` starts at least `latency` cycles after `src` of the iteration `distance` before."""

    src: Node
    to: Node
    latency: int
    distance: int


@dataclass(frozen=True)
class Schedule:
    """The result; cycles are in the nodes. `bound` says what keeps the II from being lower, `nodes` who is to blame."""

    ii: int
    depth: int
    bound: str = ""
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Clock:
    """The clock period in ns and what it holds."""

    period: float
    target: Target

    @property
    def room(self) -> float:
        """Time for logic between registers."""
        return self.period - self.target.register

    def chain(self, setup: float = 0.0) -> int:
        """From how many values a port chooses by one condition after the other: in half of the time before `setup`.

        All at once is no faster for up to three.
        """
        return max(3, 1 + int((self.room - setup) / 2 / choice(self.target, 1)))

    def choosing(self, values: int) -> float:
        """The time in which a port chooses from so many values: more than a chain of them are chosen at once."""
        if values <= self.chain():
            return max(values - 1, 0) * choice(self.target, 1)
        inputs = self.target.fabric.inputs
        return self.target.level * (1 + log(max(values / (inputs // 2), 1), inputs))


def node_delay(n: Node, t: Target) -> float:
    """The delay of an operator in ns, or of a memory from the clock to its word."""
    if n.kind is Kind.LOAD:
        return t.read_delay(_words(n.buffer)) if n.access is None else n.access.delay
    if n.kind is Kind.STORE and n.access is not None:
        return n.access.setup
    if n.kind is Kind.ARGUMENT:
        return n.at
    if n.kind is Kind.CHECK:
        return NOTED * t.level
    if n.op is None:
        return 0.0
    return delay(t, Apply(n.op, tuple(map(stand_in, n.args)), n.dtype, n.span))


def _words(b: Buffer | None) -> int:
    sizes = [value_of(s, {}) for s in b.shape] if b is not None else []
    return prod(s for s in sizes if s is not None)


def modulo_schedule(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    clock: Clock,
    ports: Limits,
    pipelined: bool,
    every: int = 0,
    most: Mapping[str, int] | None = None,
) -> Schedule:
    """Schedules the nodes, operands before users: at the least II, or where the region isn't pipelined once.

    `every` is the II that is asked for, if any, `most` the units of a kind that work at once. Raises SynthesisError H03
    where an operator alone doesn't fit the clock, H07 where there is no schedule with the II that is asked for.
    """
    number = {n: k for k, n in enumerate(nodes)}
    tasks = [_task(n, number, clock, most or {}) for n in nodes]
    rules = [Rule(number[e.src], number[e.to], e.latency, e.distance) for e in edges]
    units: dict[Resource, int] = {
        (b, kind): limit for b, both in ports.items() for kind, limit in zip(_KINDS, both, strict=True)
    }
    units.update((most or {}).items())
    timing = schedule(tasks, rules, clock.room, units, pipelined, max(every, 1))
    late = Late(nodes, tasks, rules, clock.room, units, timing.ii, list(timing.cycles), list(timing.ready))
    late.run()
    for n, cycle, at in zip(nodes, late.cycle, late.at, strict=True):
        n.cycle, n.at = cycle, at
    _gather_checks(nodes)
    _number_ports(nodes, timing.ii)
    _number_instances(nodes, timing.ii)
    bound, blamed = _bound(nodes, timing, units)
    if every and timing.ii > every:
        if isinstance(timing.unit, tuple):
            raise _too_few_ports(every, timing.ii, blamed, units[timing.unit])
        raise too_often(every, f"it takes {timing.ii}: {bound}", blamed[0].span if blamed else nodes[0].span)
    bound = "the schedule" if 1 < every == timing.ii and not blamed else bound
    return Schedule(timing.ii, 1 + max((n.ready for n in nodes), default=0), bound, blamed)


_KINDS = (Kind.LOAD, Kind.STORE)


def _task(n: Node, number: Mapping[Node, int], clock: Clock, most: Mapping[str, int]) -> Task:
    operands = tuple(dict.fromkeys(number[a] for a in n.reads()))
    if n.unit is not None:
        kind = n.unit.operation.resource
        limited = kind if kind in most else None
        return Task(n.unit.delay, n.unit.latency, n.unit.setup, operands, limited, n.unit.interval)
    needed = node_delay(n, clock.target)
    if n.kind is Kind.CHECK:
        needed = min(needed, clock.room)
    if needed > clock.room:
        raise _too_fast(n, needed, clock)
    unit = None if n.buffer is None or n.beside is not None else (n.buffer, n.kind)
    return Task(needed, n.reads_in, n.access.setup if n.access is not None else 0.0, operands, unit)


def _too_fast(n: Node, needed: float, clock: Clock) -> SynthesisError:
    what = f"{n.op.name} of {max(width_of(a.dtype) for a in n.args)} bits" if n.op else "memory read"
    fastest = 1000.0 / (needed + clock.target.register)
    period = clock.room + clock.target.register
    register = f"a register takes {clock.target.register:.2f} ns"
    return SynthesisError(
        f"a period of {period:.2f} ns is too short for {clock.target.name}: "
        + (f"a {what} takes {needed:.2f} ns and {register}" if needed else register),
        code="H03",
        span=n.span,
        mend=f"use a clock of at most {int(fastest)} MHz{', or narrower types' if n.op else ''}",
    )


WAITS = "ask for more cycles, or for 0, the least; or change what the loop waits for"


def too_often(every: int, why: str, span: Span, mend: str = WAITS) -> SynthesisError:
    """The error of a loop that can't begin iterations as often as asked."""
    return SynthesisError(
        f"an iteration can't begin every {counted(every, 'cycle')}: {why}",
        code="H07",
        span=span,
        mend=mend,
    )


def _too_few_ports(every: int, least: int, users: Sequence[Node], limit: int) -> SynthesisError:
    """The error of a loop whose accesses to a memory are too many for the II that is asked for."""
    what = "read" if users[0].kind is Kind.LOAD else "write"
    name = users[0].buffer.hint if users[0].buffer else "a memory"
    first, second = (f"{n.span.text() or 'an access'} in line {n.span.line}" for n in (users[0], users[limit]))
    return SynthesisError(
        f"an iteration can't begin every {counted(every, 'cycle')}: {name} has {counted(limit, f'{what} port')}, for "
        f"{len(users)} {what}s, and nothing puts {first} and {second} into different banks",
        code="H09",
        span=users[0].span,
        mend=f'ask for {least} cycles, or for banks that these are in: partition("{name}", axis, count, kind)',
    )


def _gather_checks(nodes: Sequence[Node]) -> None:
    """All checks report in one cycle, so that the first failing one in program order is told from the others."""
    checks = [n for n in nodes if n.kind is Kind.CHECK]
    last = max((n.cycle for n in checks), default=0)
    for n in checks:
        n.cycle = last


def _number_ports(nodes: Sequence[Node], ii: int) -> None:
    used: Counter[tuple[Buffer, Kind, int]] = Counter()
    for n in nodes:
        if n.buffer is not None and n.beside is None:
            key = (n.buffer, n.kind, n.cycle % ii)
            n.port = used[key]
            used[key] += 1
    for n in nodes:
        if n.beside is not None:
            n.port = n.beside.port


def _number_instances(nodes: Sequence[Node], ii: int) -> None:
    """Gives each unit's operation the first instance that is free in all cycles in which it is busy."""
    busy: dict[tuple[Unit, int], set[int]] = defaultdict(set)
    for n in sorted((n for n in nodes if n.unit is not None), key=lambda n: n.cycle):
        if n.unit is not None:
            slots = {(n.cycle + k) % ii for k in range(n.unit.interval)}
            n.port = next(k for k in itertools.count() if not busy[n.unit, k] & slots)
            busy[n.unit, n.port] |= slots


# ------------------------------------------------------------------------------------------------- what bounds the II


def _bound(nodes: Sequence[Node], timing: Timing, units: Mapping[Resource, int]) -> tuple[str, tuple[Node, ...]]:
    if timing.ii in (1, NOT_PIPELINED):
        return "", ()
    if timing.recurrence is not None:
        path = tuple(nodes[k] for k in timing.recurrence.tasks)
        return _recurrence(path, timing.recurrence), path
    if timing.unit is not None:
        if isinstance(timing.unit, str):
            doing = [n for n in nodes if n.operation is not None and n.operation.resource == timing.unit]
            number = units[timing.unit]
            return f"{len(doing)} {timing.unit} by {counted(number, 'unit')}", tuple(doing)
        users = [n for n in nodes if (n.buffer, n.kind) == timing.unit]
        return _busy(users, units[timing.unit]), tuple(users)
    return "memory ports together with values carried between iterations", ()


def _busy(users: Sequence[Node], limit: int) -> str:
    what = "read" if users[0].kind is Kind.LOAD else "write"
    name = users[0].buffer.hint if users[0].buffer else ""
    return f"{len(users)} {what}s of {name} through {limit} {what} port{'s' * (limit > 1)}"


def _recurrence(path: Sequence[Node], recurrence: Recurrence) -> str:
    memories = list(dict.fromkeys(n.buffer.hint for n in path if n.buffer is not None))
    values = list(dict.fromkeys(n.var.hint for n in path if n.kind is Kind.PHI and n.var))
    what = " and ".join(values + [f"memory {m}" for m in memories]) or "a value"
    counts: dict[str, int] = defaultdict(int)
    for n in path:
        if n.op is not None or n.operation is not None:
            counts[n.op.name if n.op else n.operation.resource if n.operation else ""] += 1
    through = ", ".join(f"{c} {name}" if c > 1 else name for name, c in counts.items())
    after = "the next iteration" if recurrence.distance == 1 else f"{recurrence.distance} iterations later"
    return f"{what} needed in {after}" + (f" ({through})" if through else "")
