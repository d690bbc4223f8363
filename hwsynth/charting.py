"""Charts of scheduled dataflow graphs, and the links of what bounds an II."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gemel.hwsynth.charts import SHORTEST, Bar, Step
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.schedule import Clock, node_delay
from gemel.semantics.ir import Buffer

Memories = Mapping[Buffer, str]
"""The names of memories in the hardware."""


def bars(nodes: Iterable[Node], clock: Clock, memories: Memories) -> Iterator[Bar]:
    """What a chart shows of scheduled nodes, earlier ones first."""
    found = [b for n in nodes if (b := _bar(n, clock, memories)) is not None]
    yield from sorted(found, key=lambda b: (b.begin, b.end))


def _bar(n: Node, clock: Clock, memories: Memories) -> Bar | None:
    there = max((_there(a, clock.period) for a in n.reads()), default=0.0)
    begin, end = max(there, n.cycle), n.ready + n.at / clock.period
    match n.kind:
        case Kind.OP:
            if node_delay(n, clock.target) < SHORTEST:
                return None
            begin = max(n.cycle, n.cycle + (n.at - node_delay(n, clock.target)) / clock.period)
        case Kind.LOAD | Kind.UNIT:
            pass
        case Kind.STORE | Kind.WRITE | Kind.CHECK:
            end = n.cycle + 1.0
        case _:
            return None
    return Bar(described(n, memories), n.kind.value, n.span, begin, max(end, begin))


def _there(n: Node, period: float) -> float:
    """When a node's value is there."""
    return n.ready + n.at / period


def described(n: Node, memories: Memories) -> str:
    """A node in a few words."""
    name = n.hint if n.var is None else n.var.hint
    if n.buffer is not None:
        name = memories.get(n.buffer, n.buffer.hint)
    match n.kind:
        case Kind.OP:
            widths = " x ".join(str(a.width) for a in n.args if a.kind is not Kind.CONST)
            return f"{n.op.name if n.op else ''} of {widths or n.width} bits"
        case Kind.LOAD:
            return f"read of {name}"
        case Kind.STORE:
            return f"write of {name}"
        case Kind.UNIT:
            return n.unit.operation.name if n.unit is not None else "unit"
        case Kind.PHI:
            return f"{name} of the iteration before"
        case Kind.WRITE:
            return "update of the carried value"
        case Kind.COUNTER:
            return f"counter {name}"
        case Kind.CHECK:
            return "check"
        case _:
            return name or n.kind.value


def steps(nodes: Sequence[Node], clock: Clock, memories: Memories) -> tuple[Step, ...]:
    """The links of what bounds an II, from the nodes that the scheduler names; a recurrence begins with its value."""
    first = next((k for k, n in enumerate(nodes) if n.kind is Kind.PHI), 0)
    turned = (*nodes[first:], *nodes[:first])
    return tuple(_step(n, clock, memories) for n in turned if n.kind not in _PLUMBING)


_PLUMBING = (Kind.CONST, Kind.INPUT, Kind.ARGUMENT, Kind.RESULT)


def _step(n: Node, clock: Clock, memories: Memories) -> Step:
    what = described(n, memories)
    if n.unit is not None:
        return Step(what, n.span, n.unit.latency, n.unit.setup + n.unit.delay)
    whole = n.reads_in or int(n.kind in (Kind.STORE, Kind.WRITE))
    return Step(what, n.span, whole, node_delay(n, clock.target))
