"""One port for accesses that never happen in the same iteration, or not if one of them comes an iteration later.

The former become one access with a choice of addresses. The latter stay two, in cycles that are an II apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gemel.hwsynth.dependence import Order
from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.nodes import Kind, Node
from gemel.hwsynth.schedule import Edge, Limits
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL

Apart = Callable[[Node, Node], bool]
"""Whether two accesses under predicates never happen in the same iteration."""

MOST = 32
"""Accesses of a memory among which such are looked for."""


@dataclass
class Exclusive:
    """The search in a graph whose accesses keep `orders`; `undo` brings the graph back to what it was.

    `later` says of two accesses that the second, if it comes an iteration later, never meets the first.
    """

    graph: Graph
    orders: Sequence[Order]
    apart: Apart
    later: Apart

    def __post_init__(self) -> None:
        g = self.graph
        before = [(n, n.args, n.inside, n.pred) for n in g.nodes]
        self.saved = before, dict(g.env), {b: list(found) for b, found in g.accesses.items()}, dict(g.known)

    def possible(self, limits: Limits) -> bool:
        """Whether there is anything that `share` could do."""
        return any(self._pairs(limits)) or any(self._turns(limits))

    def share(self, limits: Limits) -> None:
        """Lets accesses share ports, until there are as many as ports, or none can any more."""
        while (pair := next(self._pairs(limits), None)) is not None:
            self._merge(*pair)
        while (pair := next(self._turns(limits), None)) is not None:
            self._put_beside(*pair)

    def _pairs(self, limits: Limits) -> Iterator[tuple[Node, Node]]:
        """Accesses that can be one, of memories with more of them than ports."""
        for users in self._crowds(limits):
            yield from self._alike(users)

    def _turns(self, limits: Limits) -> Iterator[tuple[Node, Node]]:
        """Stores the second of which can use the port of the first, an iteration later.

        Loads are made in iterations, too, in which nothing asks for them.
        """
        taken = {n.beside for n in self.graph.nodes}
        for users in self._crowds(limits):
            able = [n for n in users if n.kind is Kind.STORE]
            pairs = ((a, b) for a in able for b in able if a is not b and b not in taken and self.later(a, b))
            yield from ((a, b) for a, b in pairs if not self._after(b, a))

    def _crowds(self, limits: Limits) -> Iterator[list[Node]]:
        """The accesses of memories with more of them than ports."""
        for b, ports in limits.items():
            for kind, most in zip((Kind.LOAD, Kind.STORE), ports, strict=True):
                users = [n for n in self.graph.accesses.get(b, ()) if n.kind is kind and n.beside is None]
                if most < len(users) <= MOST:
                    yield users

    def _put_beside(self, a: Node, b: Node) -> None:
        b.beside = a
        apart = Edge(a, b, 0, -1), Edge(b, a, 0, 1)
        self.orders = [*self.orders, *(Order(e, None) for e in apart)]

    def undo(self) -> None:
        """Takes back what `share` did."""
        nodes, self.graph.env, self.graph.accesses, self.graph.known = self.saved
        self.graph.nodes[:] = [n for n, *_ in nodes]
        for n, args, inside, pred in nodes:
            n.args, n.inside, n.pred, n.beside = args, inside, pred, None

    def _alike(self, users: Sequence[Node]) -> Iterator[tuple[Node, Node]]:
        able = [n for n in users if n.pred is not None]
        for n, b in enumerate(able):
            for a in able[:n]:
                if self.apart(a, b) and not self._after(a, b) and not self._after(b, a):
                    yield a, b

    def _after(self, a: Node, b: Node) -> bool:
        """Whether `b` comes after `a` in an iteration, by its operands or the memories' order.

        The order of two that never both happen isn't one: between themselves, `a` and `b` need none.
        """
        before: dict[Node, list[Node]] = {}
        for o in self.orders:
            if o.level is None and not o.edge.distance and {o.edge.src, o.edge.to} != {a, b}:
                before.setdefault(o.edge.to, []).append(o.edge.src)
        todo, seen = [b], {b}
        while todo:
            n = todo.pop()
            new = {*_operands(n), *before.get(n, ())} - seen
            seen |= new
            todo += new
        return a in seen

    def _merge(self, a: Node, b: Node) -> None:
        """One access in the place of two, with the operands of the one that happens."""
        g = self.graph
        if a.pred is None or b.pred is None:
            raise TypeError("an access that happens always")
        args = tuple(
            x if x is y else g.apply(ops.SELECT, (a.pred, x, y), x.dtype, a.span)
            for x, y in zip(a.args, b.args, strict=True)
        )
        both = replace(a, args=args, inside=None, pred=g.apply(ops.LOR, (a.pred, b.pred), BOOL, a.span))
        g.nodes.append(both)
        self._put({a: both, b: both})

    def _put(self, new: Mapping[Node, Node]) -> None:
        """Puts nodes in the place of others, and the graph in order again."""
        g = self.graph
        for n in g.nodes:
            n.args = tuple(new.get(x, x) for x in n.args)
            n.pred = new.get(n.pred, n.pred) if n.pred is not None else None
            n.inside = new.get(n.inside, n.inside) if n.inside is not None else None
        g.env = {v: new.get(n, n) for v, n in g.env.items()}
        g.accesses = {b: list(dict.fromkeys(new.get(n, n) for n in found)) for b, found in g.accesses.items()}
        g.nodes[:] = ordered([n for n in g.nodes if n not in new])
        moved = [(o, new.get(o.edge.src, o.edge.src), new.get(o.edge.to, o.edge.to)) for o in self.orders]
        self.orders = [
            replace(o, edge=replace(o.edge, src=a, to=b)) for o, a, b in moved if a is not b or o.level is not None
        ]


def _operands(n: Node) -> tuple[Node, ...]:
    return n.args if n.pred is None else (*n.args, n.pred)


def ordered(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, operands before users, else as they were."""
    done: dict[Node, None] = {}
    for n in nodes:
        todo = [n]
        while todo:
            missing = [x for x in _operands(todo[-1]) if x not in done]
            todo += missing
            if not missing:
                done[todo.pop()] = None
    return list(done)


def contrary(a: Node, b: Node) -> bool:
    """Whether the predicates of two accesses say that never both happen."""
    return not _conditions(a.pred).isdisjoint(map(_denied, _conditions(b.pred)))


Condition = tuple[ops.Op | None, tuple[Node, ...], bool]
"""A comparison with its operands, or no op and a node; and whether it is to hold."""

_DENIED = {ops.NE: ops.EQ, ops.GE: ops.LT, ops.LE: ops.GT}


def _conditions(pred: Node | None) -> set[Condition]:
    """The conditions that a predicate is made of."""
    if pred is None:
        return set()
    if pred.op is ops.LAND:
        return set().union(*map(_conditions, pred.args))
    if pred.op is ops.LNOT:
        return {_denied(c) for c in _conditions(pred.args[0])} if pred.args[0].op is not ops.LAND else set()
    if pred.op in _DENIED:
        return {(_DENIED[pred.op], pred.args, False)}
    return {(pred.op, pred.args, True) if pred.op in _DENIED.values() else (None, (pred,), True)}


def _denied(c: Condition) -> Condition:
    return (*c[:2], not c[2])
