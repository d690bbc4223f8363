"""Which memory accesses of a region must keep their order, within an iteration and between iterations.

An address is a linear form of the loop counters where it can be; two accesses meet in iterations p and q when their
forms agree. The least number of iterations between such p < q is the dependence's distance, found by a search over
the counters' differences, bounded by the trip counts and by what the accesses' predicates say of the counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.forms import address
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.schedule import Edge
from gemel.hwsynth.space import Space
from gemel.semantics import ops
from gemel.semantics.dtypes import IntType

UNKNOWN = 1 << 40
"""The trips of a loop whose bounds aren't constant: more than any loop has."""

APART = 1
"""The cycles between accesses that must keep their order. A read and a later write of a word don't share an edge even
where the memory would read first: so it needs no logic for that case (`Memory.calm`)."""

MAX_STEPS = 20_000
"""Steps of a search, after which the least distance, 1, is assumed."""


@dataclass(frozen=True)
class Counter:
    """A loop's counter: value = lo + step * position, position in 0..trips-1; `stride` iterations between positions.

    `lo` is None where it isn't constant.
    """

    node: Node
    lo: int | None
    step: int
    trips: int
    stride: int


def fixed_counters(pred: Node | None) -> dict[Node, int]:
    """Counter values that a predicate demands."""
    if pred is None or pred.op is None:
        return {}
    if pred.op is ops.LAND:
        a, b = map(fixed_counters, pred.args)
        return a | b
    if pred.op is ops.EQ:
        for x, y in (pred.args, pred.args[::-1]):
            if x.kind is Kind.COUNTER and y.kind is Kind.CONST:
                return {x: y.value}
    return _bit(pred, 1) if pred.op is ops.CAST else _bit(pred.args[0], 0) if pred.op is ops.LNOT else {}


def _bit(n: Node, value: int) -> dict[Node, int]:
    """A counter that is 0 or 1 and taken as a bool."""
    known = n.op is ops.CAST and n.args[0].kind is Kind.COUNTER and n.args[0].dtype == IntType(1, False)
    return {n.args[0]: value} if known else {}


@dataclass(frozen=True)
class Order:
    """An edge between iterations that are in different turns of loop `level`; in one iteration level is None."""

    edge: Edge
    level: int | None


def memory_edges(g: Graph) -> list[Edge]:
    """The order that the memory accesses of a region that runs once must keep."""
    return [o.edge for a, b in _pairs(g) for o in _within(a, b, _Meeting(a, b, ()).same_iteration())]


def memory_orders(g: Graph, counters: Sequence[Counter], space: Space | None) -> list[Order]:
    """The order that the memory accesses of a pipelined nest must keep.

    It is found in the iterations one by one where they are known, else from the counters' forms.
    """
    found: list[Order] = []
    inner = len(counters) - 1
    for a, b in _pairs(g):
        if space is None:
            found += _within(a, b, _Meeting(a, b, counters).same_iteration())
            found += _between(a, b, {inner: _distance(a, b, counters)})
            found += _between(b, a, {inner: _distance(b, a, counters)})
        else:
            found += _within(a, b, space.together(a, b))
            found += _between(a, b, space.distances(a, b))
            found += _between(b, a, space.distances(b, a))
    return found


def _pairs(g: Graph) -> Iterator[tuple[Node, Node]]:
    """The pairs of accesses to one memory, in program order, that may depend on each other."""
    for accesses in g.accesses.values():
        before: list[Node] = []
        stores: list[Node] = []
        for b in accesses:
            store = b.kind is Kind.STORE
            yield from ((a, b) for a in (before if store else stores))
            before.append(b)
            if store:
                stores.append(b)


def _distance(a: Node, b: Node, counters: Sequence[Counter]) -> int | None:
    """The least distance by the counters' forms: 1, if any, where an inner loop's trips aren't the same each time."""
    found = _Meeting(a, b, counters).distance()
    regular = all(c.trips < UNKNOWN for c in counters[1:])
    return found if regular or found is None else 1


def _within(a: Node, b: Node, meet: bool) -> list[Order]:
    return [Order(Edge(a, b, APART, 0), None)] if meet else []


def _between(a: Node, b: Node, distances: Mapping[int, int | None]) -> Iterator[Order]:
    """The orders by levels; one that an inner level's order already keeps is left out."""
    least: int | None = None
    for level in sorted(distances, reverse=True):
        d = distances[level]
        if d is not None and (least is None or d < least):
            least = d
            yield Order(Edge(a, b, APART, d), level)


class _Meeting:
    """Where two accesses, in iterations p and q, touch one address."""

    def __init__(self, a: Node, b: Node, counters: Sequence[Counter]) -> None:
        f, g = address(a), address(b)
        own = {c.node for c in counters}
        self.known = f.terms == g.terms and all(m in own or m.kind is Kind.INPUT for m in f.terms)
        self.sum = f.constant - g.constant  # = sum of coefficient * step * (q - p)
        first, second = fixed_counters(a.pred), fixed_counters(b.pred)
        self.dims = []
        for c in counters:
            low, high = 1 - c.trips, c.trips - 1
            p, q = _position(c, first), _position(c, second)
            low = max(low, (q if q is not None else 0) - (p if p is not None else c.trips - 1))
            high = min(high, (q if q is not None else c.trips - 1) - (p if p is not None else 0))
            self.dims.append((f.terms.get(c.node, 0) * c.step, c.stride, low, high))
        self.dims.sort(key=lambda d: (-abs(d[0]), -d[1]))
        self.steps = 0

    def same_iteration(self) -> bool:
        """Whether both may touch one address in the same iteration."""
        if not self.known:
            return True
        return self.sum == 0 and all(low <= 0 <= high for _, _, low, high in self.dims)

    def distance(self) -> int | None:
        """The least number of iterations from `a` to a later `b` at the same address; None where there is none."""
        if not self.known:
            return 1
        best: int | None = None
        for d in self._search(0, self.sum, 0):
            self.steps += 1
            if self.steps > MAX_STEPS:
                return 1
            if d >= 1 and (best is None or d < best):
                best = d
        return best

    def _search(self, n: int, rest: int, done: int) -> Iterator[int]:
        if n == len(self.dims):
            if rest == 0:
                yield done
            return
        coefficient, stride, low, high = self.dims[n]
        if coefficient == 0:
            yield from self._free(n, rest, done)
            return
        reach = [sorted((c * lo, c * hi)) for c, _, lo, hi in self.dims[n + 1 :]]
        below, above = sum(r[0] for r in reach), sum(r[1] for r in reach)
        ends = sorted(((rest - above) / coefficient, (rest - below) / coefficient))
        for delta in range(max(low, _up(ends[0])), min(high, _down(ends[1])) + 1):
            self.steps += 1
            if self.steps > MAX_STEPS:
                yield 1
                return
            yield from self._search(n + 1, rest - coefficient * delta, done + stride * delta)

    def _free(self, n: int, rest: int, done: int) -> Iterator[int]:
        """Counters that the address doesn't depend on: the nearest later iteration, the outermost counter first."""
        if rest:
            return
        dims = self.dims[n:]
        yield from _least(dims, done)


def _least(dims: list[tuple[int, int, int, int]], done: int) -> Iterator[int]:
    if not dims:
        yield done
        return
    _, stride, low, high = dims[0]
    rest_high = sum(s * h for _, s, _, h in dims[1:])
    first = max(low, -((done + rest_high - 1) // stride))
    for delta in range(first, min(high, first + 2) + 1):
        yield from _least(dims[1:], done + stride * delta)


def _position(c: Counter, fixed: dict[Node, int]) -> int | None:
    if c.node not in fixed or c.lo is None:
        return None
    return (fixed[c.node] - c.lo) // c.step


def _up(x: float) -> int:
    return int(-(-x // 1))


def _down(x: float) -> int:
    return int(x // 1)
