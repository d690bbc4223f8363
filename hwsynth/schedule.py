"""Modulo scheduling of a dataflow graph: a cycle for each node, operators chained within the clock period.

Dependences are difference constraints `to.cycle >= from.cycle + latency - distance * II`. Within an iteration nodes
are placed as early as operands, chaining and memory ports (counted modulo II) allow; constraints between iterations
raise lower bounds until all hold, or the II is given up for the next (iterative modulo scheduling, after Rau,
without eviction). A region that isn't pipelined is the same with an II that never binds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gemel.hwsynth.dfg import Kind, Node, _stand_in
from gemel.hwsynth.targets import Target, delay
from gemel.semantics.errors import SynthesisError
from gemel.semantics.ir import Apply, Buffer

NOT_PIPELINED = 1 << 40
"""The II of a region that runs once."""


@dataclass(frozen=True)
class Edge:
    """`to` starts at least `latency` cycles after `src` of the iteration `distance` before."""

    src: Node
    to: Node
    latency: int
    distance: int


@dataclass(frozen=True)
class Schedule:
    """The result; cycles are in the nodes. `bound` says what keeps the II from being lower."""

    ii: int
    depth: int
    bound: str
    where: Node | None = None


@dataclass(frozen=True)
class Clock:
    """The clock period in ns and what it holds."""

    period: float
    target: Target

    @property
    def room(self) -> float:
        """Time for logic between registers."""
        return self.period - self.target.register


def node_delay(n: Node, t: Target) -> float:
    """The delay of an operator node in ns."""
    if n.kind is not Kind.OP or n.op is None:
        return 0.0
    return delay(t, Apply(n.op, tuple(map(_stand_in, n.args)), n.dtype, n.span))


def check_clock(nodes: Sequence[Node], clock: Clock) -> None:
    """Raises SynthesisError H03 where an operator alone doesn't fit the clock."""
    for n in nodes:
        needed = node_delay(n, clock.target) if n.kind is Kind.OP else clock.target.memory * (n.kind is Kind.LOAD)
        if needed > clock.room:
            what = n.op.name if n.op else "memory read"
            fastest = 1000.0 / (needed + clock.target.register)
            raise SynthesisError(
                f"a {what} of {getattr(n.dtype, 'width', 1)} bits takes {needed:.1f} ns on {clock.target.name}, "
                f"more than the clock leaves ({clock.room:.1f} ns)",
                code="H03",
                span=n.span,
                mend=f"use a clock of at most {int(fastest)} MHz, or narrower types",
            )


def modulo_schedule(
    nodes: Sequence[Node], edges: Sequence[Edge], clock: Clock, ports: dict[Buffer, tuple[int, int]], pipelined: bool
) -> Schedule:
    """Schedules the nodes at the least II that is found; `ports` has the read and write ports of each memory."""
    check_clock(nodes, clock)
    inner: dict[Node, list[Edge]] = defaultdict(list)
    for e in edges:
        if e.distance == 0:
            inner[e.to].append(e)
    carried = [e for e in edges if e.distance]
    if not pipelined:
        _place(nodes, inner, {}, NOT_PIPELINED, clock, ports)
        return Schedule(NOT_PIPELINED, _depth(nodes), "")
    least, bound, where = _resource_bound(nodes, ports)
    worst: Edge | None = None
    ii = least
    while True:
        worst_now = _try(nodes, inner, carried, ii, clock, ports)
        if worst_now is None:
            break
        worst, ii = worst_now, ii + 1
    if worst is not None:
        bound, where = _recurrence(worst), worst.to
    return Schedule(ii, _depth(nodes), bound, where)


def _depth(nodes: Sequence[Node]) -> int:
    return 1 + max((n.ready for n in nodes), default=0)


def _recurrence(e: Edge) -> str:
    if e.src.kind is Kind.WRITE:
        return "a value carried from one iteration to the next"
    name = e.src.buffer.hint if e.src.buffer else "a memory"
    return f"a dependence through {name}"


def _resource_bound(nodes: Sequence[Node], ports: dict[Buffer, tuple[int, int]]) -> tuple[int, str, Node | None]:
    counts: dict[tuple[Buffer, Kind], list[Node]] = defaultdict(list)
    for n in nodes:
        if n.buffer is not None:
            counts[n.buffer, n.kind].append(n)
    least, bound, where = 1, "", None
    for (buffer, kind), users in counts.items():
        available = ports[buffer][0 if kind is Kind.LOAD else 1]
        need = -(-len(users) // available)
        if need > least:
            what = "read" if kind is Kind.LOAD else "write"
            least, where = need, users[-1]
            bound = f"{len(users)} {what}s of {buffer.hint} through {available} {what} port{'s' * (available > 1)}"
    return least, bound, where


def _try(
    nodes: Sequence[Node],
    inner: dict[Node, list[Edge]],
    carried: Sequence[Edge],
    ii: int,
    clock: Clock,
    ports: dict[Buffer, tuple[int, int]],
) -> Edge | None:
    """Places all nodes at an II; gives a constraint that can't hold, or None where all do."""
    lower: dict[Node, int] = {}
    limit = 8 + 4 * len(nodes) + ii * (1 + len(carried))
    for _ in range(4 + 2 * len(carried)):
        if not _place(nodes, inner, lower, ii, clock, ports, limit):
            break
        broken = [e for e in carried if e.src.cycle + e.latency > e.to.cycle + e.distance * ii]
        if not broken:
            return None
        for e in broken:
            lower[e.to] = max(lower.get(e.to, 0), e.src.cycle + e.latency - e.distance * ii)
    late = [e for e in carried if e.src.cycle + e.latency > e.to.cycle + e.distance * ii]
    return late[0] if late else carried[0]


def _place(
    nodes: Sequence[Node],
    inner: dict[Node, list[Edge]],
    lower: dict[Node, int],
    ii: int,
    clock: Clock,
    ports: dict[Buffer, tuple[int, int]],
    limit: int = NOT_PIPELINED,
) -> bool:
    busy: dict[tuple[Buffer, Kind, int], int] = defaultdict(int)
    for n in nodes:
        cycle, at = lower.get(n, 0), 0.0
        for a in n.reads():
            if a.kind in (Kind.CONST, Kind.INPUT):
                continue
            if a.ready > cycle:
                cycle, at = a.ready, a.at
            elif a.ready == cycle:
                at = max(at, a.at)
        for e in inner.get(n, ()):
            if e.src.cycle + e.latency > cycle:
                cycle, at = e.src.cycle + e.latency, 0.0
        needed = node_delay(n, clock.target)
        if at + needed > clock.room:
            cycle, at = cycle + 1, 0.0
        if n.buffer is not None:
            cycle, at = _port(n, cycle, at, ii, busy, ports)
        n.cycle = cycle
        n.at = clock.target.memory if n.kind is Kind.LOAD else at + needed
        if cycle > limit:
            return False
    return True


def _port(
    n: Node,
    cycle: int,
    at: float,
    ii: int,
    busy: dict[tuple[Buffer, Kind, int], int],
    ports: dict[Buffer, tuple[int, int]],
) -> tuple[int, float]:
    if n.buffer is None:
        return cycle, at
    available = ports[n.buffer][0 if n.kind is Kind.LOAD else 1]
    for _ in range(min(ii, 1 << 20)):
        slot = (n.buffer, n.kind, cycle % ii)
        if busy[slot] < available:
            n.port = busy[slot]
            busy[slot] += 1
            return cycle, at
        cycle, at = cycle + 1, 0.0
    return NOT_PIPELINED + 1, 0.0
