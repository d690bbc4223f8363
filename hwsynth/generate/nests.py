"""The dataflow graph of a pipelined nest: what stands around an inner loop runs in its first and last turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gemel.hwsynth.dfg import Graph
from gemel.hwsynth.generate.plans import Held, LevelPlan
from gemel.hwsynth.nodes import Kind, Node, net_dtype
from gemel.hwsynth.regions import Level, variables
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL
from gemel.semantics.ir import Carry, Expr, If, Let, Ref, Var
from gemel.semantics.traverse import Body, exprs_of, statements, stored

CHEAP = 4
"""Operators of a value that is computed in each turn of an inner loop rather than held in a register."""


@dataclass
class NestGraph:
    """The graph in the making; `plans` are the nest's loops with their counters, which are in the graph."""

    graph: Graph
    levels: Sequence[Level]
    plans: list[LevelPlan]
    held: list[Held] = field(default_factory=list)
    of: dict[Var, Held] = field(default_factory=dict)
    """The carried values of the loops whose bodies are being built."""
    entry: dict[Held, Node | None] = field(default_factory=dict)
    """Where a carried value's first turn is, in which it isn't in its register yet; None where it is from the start."""
    begins: dict[Var, Node] = field(default_factory=dict)
    """What a loop's carried values are before a turn; where it has one ahead, in that."""

    def build(self) -> None:
        """Adds all statements."""
        for c in self.levels[0].loop.carry:
            held = self._new(c.var, c.init, None)
            self.graph.env[c.var] = held.phi
            self.of[c.var] = held
        self._level(0)
        for c in self.levels[0].loop.carry:
            self._leave(c, 0)
            self.of[c.var].results.append(c.result)

    # ---------------------------------------------------------------------------------------------- where a loop stands

    def _flag(self, level: int, name: str) -> Node:
        plan = self.plans[level]
        node: Node | None = getattr(plan, name)
        if node is None:
            span = plan.loop.span
            node = Node(Kind.COUNTER, BOOL, (), span, var=Var(f"{plan.loop.var.hint}_{name}", BOOL, span))
            setattr(plan, name, node)
            self.graph.nodes.append(node)
        return node

    def _where(self, level: int, name: str) -> Node | None:
        """Whether all loops inside of `level` are in their first (or last) turn, and none to there is empty."""
        found = self._alive(level)
        for n in range(level + 1, len(self.plans)):
            found = self.graph.both(found, self._flag(n, name), self.plans[n].loop.span)
        return found

    def _alive(self, level: int) -> Node | None:
        """Whether no loop down to `level` is empty: the flag of a loop tells of those around it, too."""
        if self.plans[level].ahead:
            return self.graph.apply(ops.LNOT, (self._flag(level, "first"),), BOOL, self.plans[level].loop.span)
        found = [n for n in range(1, level + 1) if self.plans[n].may_be_empty]
        return self._flag(found[-1], "active") if found else None

    # ------------------------------------------------------------------------------------------------------- statements

    def _level(self, n: int) -> None:
        g, level = self.graph, self.levels[n]
        if n + 1 == len(self.levels):
            g.body(level.before, self._alive(n))
            return
        inner = self.levels[n + 1].loop
        first = self._where(n, "first") if level.before or inner.carry else None
        g.body(level.before, first)
        for c in inner.carry:
            self._enter(c, n, first)
        kept = self._keep(n, first)
        self._level(n + 1)
        g.env |= kept
        for c in inner.carry:
            self._leave(c, n + 1)
        if level.after:
            g.body(level.after, self._where(n, "last"))

    def _enter(self, c: Carry, n: int, first: Node | None) -> None:
        """What the loop inside of level `n` carries: what that level carries goes on, all else begins in `first`."""
        around = self._around(c, n)
        if around is not None:
            self.of[c.var] = self.of[around.var]
            self.graph.env[c.var] = self.graph.env[around.var]
            return
        held = self.of[c.var] = self._new(c.var, None, first)
        init = self.graph.cast(self.graph.expr(c.init, first), held.phi.dtype, c.var.span)
        resting = self.plans[n + 1].ahead
        self.begins[c.var] = init if resting else self._chosen(first, init, held.phi)
        self.graph.env[c.var] = held.phi if resting else self.begins[c.var]

    def _around(self, c: Carry, n: int) -> Carry | None:
        """The value of level `n` that the loop inside just carries on."""
        level, inner = self.levels[n], self.levels[n + 1].loop
        for x in level.loop.carry:
            if _is(c.init, x.var) and _is(x.next, c.result) and x.var not in _used((*inner.body, *level.after)):
                return x
        return None

    def _leave(self, c: Carry, level: int) -> None:
        """The value after the loop, and where it is set; one that a loop inside carries on is set there."""
        g, held = self.graph, self.of[c.var]
        if any(self.of.get(x.var) is held for m in self.levels[level + 1 :] for x in m.loop.carry):
            g.env[c.result] = g.expr(c.next, None)
            return
        innermost = level + 1 == len(self.levels)
        last = self._alive(level) if innermost else self._where(level, "last")
        following = g.cast(g.expr(c.next, last), held.phi.dtype, c.var.span)
        value = self._chosen(last, following, self.begins.get(c.var, g.env[c.var]))
        pred = None if innermost else self._either(last, self.entry[held])
        self._write(held, value, pred)
        g.env[c.result] = value

    # ----------------------------------------------------------------------------------------------------------- values

    def _new(self, v: Var, init: Expr | None, first: Node | None) -> Held:
        dtype = net_dtype(v.dtype, v.span)
        phi = Node(Kind.PHI, dtype, (), v.span, var=Var(v.hint, dtype, v.span))
        self.graph.nodes.append(phi)
        held = Held(phi, init, phi)
        self.entry[held] = first
        self.held.append(held)
        return held

    def _write(self, held: Held, value: Node, pred: Node | None) -> None:
        held.write = Node(Kind.WRITE, held.phi.dtype, (value,), held.phi.span, pred=pred)
        self.graph.nodes.append(held.write)

    def _chosen(self, cond: Node | None, a: Node, b: Node) -> Node:
        return a if cond is None or a is b else self.graph.apply(ops.SELECT, (cond, a, b), a.dtype, a.span)

    def _either(self, a: Node | None, b: Node | None) -> Node | None:
        return a if a is None or b is None else self.graph.apply(ops.LOR, (a, b), BOOL, a.span)

    def _keep(self, n: int, first: Node | None) -> dict[Var, Node]:
        """Values from before the loop inside that later turns need, too: held where they can't just be made again.

        Gives those that are others after the loop: in a turn ahead of it, in which it rests, they aren't held yet.
        """
        g, level = self.graph, self.levels[n]
        later = _used(level.after) | variables(_inside(self.levels[n + 1 :]))
        later |= variables(c.next for c in level.loop.carry)
        kept: dict[Var, Node] = {}
        for v in _defined(level.before):
            node = g.env[v]
            if v in later and not self._made_again(node, n):
                held = self._new(v, None, first)
                value = g.cast(node, held.phi.dtype, v.span)
                self._write(held, value, first)
                g.env[v] = kept[v] = self._chosen(first, value, held.phi)
                if self.plans[n + 1].ahead:
                    g.env[v] = held.phi
        return kept

    def _made_again(self, n: Node, level: int) -> bool:
        """Whether a value is the same in each turn of the loops inside of `level`, and made of few operators.

        What it reads is then read in each turn, so that no other read may have the port; not so with a turn ahead.
        """
        changed = stored(self.levels[0].loop.body)
        steady = {p.counter for p in self.plans[: level + 1]}
        steady |= {f for p in self.plans[: level + 1] for f in (p.first, p.last, p.active) if f is not None}
        seen: set[Node] = set()
        todo = [n]
        while todo and sum(x.kind is Kind.OP for x in seen) <= CHEAP:
            x = todo.pop()
            if x in seen:
                continue
            seen.add(x)
            todo += x.args
            if (x.kind in (Kind.COUNTER, Kind.PHI) and x not in steady) or x.buffer in changed:
                return False
        reads = [x for x in seen if x.kind is Kind.LOAD]
        if todo or (reads and self.plans[level + 1].ahead):
            return False
        for x in reads:
            x.pred = None
        return True


def _is(e: Expr, v: Var) -> bool:
    return isinstance(e, Ref) and e.var is v


def _used(body: Body) -> set[Var]:
    return variables(e for s in statements(body) for e in exprs_of(s))


def _inside(levels: Sequence[Level]) -> Iterator[Expr]:
    """The expressions of the loops inside, without what their outermost one begins with."""
    for n, level in enumerate(levels):
        for s in statements((*level.before, *level.after)):
            yield from exprs_of(s)
        for c in level.loop.carry:
            yield c.next
            if n:
                yield c.init


def _defined(body: Body) -> Iterator[Var]:
    for s in body:
        if isinstance(s, Let):
            yield s.var
        elif isinstance(s, If):
            yield from (m.var for m in s.merges)
