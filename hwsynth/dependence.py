"""Which memory accesses of a region must keep their order, within an iteration and between iterations.

An address is a linear form of the loop counters where it can be; two accesses meet in iterations p and q when their
forms agree. The least number of iterations between such p < q is the dependence's distance, found by a search over
the counters' differences, bounded by the trip counts and by what the accesses' predicates say of the counters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gemel.hwsynth.dfg import Graph, Kind, Node
from gemel.hwsynth.schedule import Edge
from gemel.semantics import ops
from gemel.semantics.typerules import holds

MAX_STEPS = 20_000
"""Steps of a search, after which the least distance, 1, is assumed."""


@dataclass(frozen=True)
class Counter:
    """A loop's counter: value = lo + step * position, position in 0..trips-1; `stride` iterations between positions."""

    node: Node
    lo: int
    step: int
    trips: int
    stride: int


@dataclass(frozen=True)
class Form:
    """constant + sum of coefficient * node."""

    constant: int
    terms: dict[Node, int]


def linear(n: Node) -> Form:
    """A node's value as a linear form, of itself where it is nothing simpler."""
    if n.kind is Kind.CONST:
        return Form(n.value, {})
    if n.kind is Kind.OP and n.op in (ops.ADD, ops.SUB):
        a, b = map(linear, n.args)
        return _plus(a, b, 1 if n.op is ops.ADD else -1)
    if n.kind is Kind.OP and n.op in (ops.MUL, ops.SHL) and n.args[1].kind is Kind.CONST:
        k = n.args[1].value if n.op is ops.MUL else 1 << n.args[1].value
        a = linear(n.args[0])
        return Form(a.constant * k, {m: c * k for m, c in a.terms.items()})
    if n.kind is Kind.OP and n.op is ops.CAST and holds(n.dtype, n.args[0].dtype):
        return linear(n.args[0])
    return Form(0, {n: 1})


def _plus(a: Form, b: Form, sign: int) -> Form:
    terms = dict(a.terms)
    for m, c in b.terms.items():
        terms[m] = terms.get(m, 0) + sign * c
    return Form(a.constant + sign * b.constant, {m: c for m, c in terms.items() if c})


def address_form(access: Node) -> Form:
    """The form of an access's address; the last cast keeps its value, because the index is in range."""
    addr = access.args[0]
    if addr.kind is Kind.OP and addr.op is ops.CAST:
        addr = addr.args[0]
    return linear(addr)


def fixed_counters(pred: Node | None) -> dict[Node, int]:
    """Counter values that a predicate demands."""
    if pred is None or pred.kind is not Kind.OP:
        return {}
    if pred.op in (ops.LAND, ops.AND):
        a, b = map(fixed_counters, pred.args)
        return a | b
    if pred.op is ops.EQ:
        for x, y in (pred.args, pred.args[::-1]):
            if x.kind is Kind.COUNTER and y.kind is Kind.CONST:
                return {x: y.value}
    return {}


def memory_edges(g: Graph, counters: Sequence[Counter], pipelined: bool) -> list[Edge]:
    """The order that a region's memory accesses must keep."""
    edges: list[Edge] = []
    for accesses in g.accesses.values():
        for n, b in enumerate(accesses):
            for a in accesses[:n]:
                if Kind.STORE in (a.kind, b.kind):
                    edges += _pair(a, b, counters, pipelined)
    return edges


def _pair(a: Node, b: Node, counters: Sequence[Counter], pipelined: bool) -> Iterator[Edge]:
    """The constraints between two accesses, `a` before `b` in program order."""
    meeting = _Meeting(a, b, counters)
    if meeting.same_iteration():
        yield Edge(a, b, _latency(a, b), 0)
    if not pipelined:
        return
    forward = meeting.distance()
    if forward:
        yield Edge(a, b, _latency(a, b), forward)
    backward = _Meeting(b, a, counters).distance()
    if backward:
        yield Edge(b, a, _latency(b, a), backward)


def _latency(first: Node, second: Node) -> int:
    """A read may share its cycle with a later write: memories read first."""
    return 0 if first.kind is Kind.LOAD else 1


class _Meeting:
    """Where two accesses, in iterations p and q, touch one address."""

    def __init__(self, a: Node, b: Node, counters: Sequence[Counter]) -> None:
        f, g = address_form(a), address_form(b)
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
    if c.node not in fixed:
        return None
    return (fixed[c.node] - c.lo) // c.step


def _up(x: float) -> int:
    return int(-(-x // 1))


def _down(x: float) -> int:
    return int(x // 1)
