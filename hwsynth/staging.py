"""The stages of a loop's body: what the next iteration may begin with while this one goes on.

A loop's body fills local arrays and works with them: loads a tile, computes with it, stores the result. Arrays that are
allocated in the body belong to an iteration, and pass from a stage to the next one, so that two copies of each are
enough. Statements stay in one stage where one computes a value for another, or where they share other arrays, unless
no later iteration needs what an earlier one does there, as of tiles that are loaded and stored in the same iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from gemel.hwsynth.touching import Touched
from gemel.semantics.ir import Alloc, Assert, Buffer, For, If, Let, Load, Reduce, Ref, Stmt, Store, Var, While
from gemel.semantics.traverse import Body, all_exprs, statements

MOST = 32
"""Statements of a body that are looked at."""


@dataclass(frozen=True)
class Stages:
    """The statements of each stage, and the arrays that pass between two of them."""

    bodies: tuple[Body, ...]
    twins: frozenset[Buffer]


@dataclass
class _Item:
    """A statement, with what it reads, writes, mentions and defines."""

    stmt: Stmt
    reads: set[Buffer] = field(default_factory=set)
    writes: set[Buffer] = field(default_factory=set)
    mentions: set[Var] = field(default_factory=set)
    defines: set[Var] = field(default_factory=set)

    @classmethod
    def of(cls, s: Stmt) -> _Item:
        """A statement's."""
        made = cls(s, defines=_bound(s))
        for x in statements((s,)):
            if isinstance(x, Store | Reduce):
                made.writes.add(x.buffer)
                made.reads |= {x.buffer} if isinstance(x, Reduce) else set()
        for e in all_exprs((s,)):
            if isinstance(e, Load):
                made.reads.add(e.buffer)
            elif isinstance(e, Ref):
                made.mentions.add(e.var)
        return made

    def touches(self) -> set[Buffer]:
        return self.reads | self.writes

    def conflict(self, later: _Item) -> set[Buffer]:
        """The memories for which a later statement has to wait."""
        return (self.writes & later.touches()) | (self.reads & later.writes)


def _bound(s: Stmt) -> set[Var]:
    """What a statement defines for those after it."""
    match s:
        case Let():
            return {s.var}
        case For() | While():
            return {c.result for c in s.carry}
        case If():
            return {m.var for m in s.merges}
        case _:
            return set()


def stages(loops: Sequence[For], body: Body) -> Stages | None:
    """The stages of the body of a nest of loops; None where there is only one, or a check."""
    if any(isinstance(s, Assert) for s in statements(body)):
        return None
    own = {s.buffer for s in body if isinstance(s, Alloc)}
    items, lets = _parted([s for s in body if not isinstance(s, Alloc)])
    if not 1 < len(items) <= MOST or not own:
        return None
    found = _Levels(items, own, loops)
    levels = found.levels()
    if max(levels) == 0:
        return None
    bodies = tuple(
        _with_lets([x for x, at in zip(items, levels, strict=True) if at == n], lets) for n in range(max(levels) + 1)
    )
    return Stages(bodies, frozenset(b for b in own if len(found.span(b, levels)) > 1))


def _parted(body: Sequence[Stmt]) -> tuple[list[_Item], list[_Item]]:
    """The statements to be staged, and names of values that any stage can compute for itself."""
    items: list[_Item] = []
    lets: list[_Item] = []
    for x in map(_Item.of, body):
        simple = isinstance(x.stmt, Let) and not x.reads and all(x.mentions.isdisjoint(y.defines) for y in items)
        (lets if simple else items).append(x)
    return items, lets


def _with_lets(items: Sequence[_Item], lets: Sequence[_Item]) -> Body:
    """A stage's statements, with the names that they mention before them."""
    wanted = set[Var]().union(*(x.mentions for x in items))
    taken: list[Stmt] = []
    for x in reversed(lets):
        if not x.defines.isdisjoint(wanted):
            wanted |= x.mentions
            taken.append(x.stmt)
    return (*reversed(taken), *(x.stmt for x in items))


@dataclass
class _Levels:
    """Which statements are in which stage; `group` has for each one a statement that is in the same stage for sure."""

    items: Sequence[_Item]
    own: set[Buffer]
    loops: Sequence[For]

    def __post_init__(self) -> None:
        self.group = list(range(len(self.items)))
        self.edges: set[tuple[int, int]] = set()
        self.touched: dict[tuple[int, Buffer], Touched | None] = {}
        for a, b in combinations(range(len(self.items)), 2):
            first, second = self.items[a], self.items[b]
            shared = first.conflict(second)
            apart = first.defines.isdisjoint(second.mentions) and all(self._apart(a, b, m) for m in shared - self.own)
            if not apart:
                self._join(a, b)
            elif shared:
                self.edges.add((a, b))

    def _apart(self, a: int, b: int, m: Buffer) -> bool:
        """Whether a statement may be iterations ahead of a later one with which it shares an array."""
        for n in (a, b):
            if (n, m) not in self.touched:
                self.touched[n, m] = Touched.of(m, self.loops, (self.items[n].stmt,))
        first, second = self.touched[a, m], self.touched[b, m]
        return first is not None and second is not None and second.never_before(first)

    def levels(self) -> list[int]:
        """The stage of each statement."""
        while True:
            found = self._longest()
            wide = next((b for b in self.own if len(self.span(b, found)) > 2), None)
            if wide is None:
                return found
            users = sorted((found[n], n) for n, x in enumerate(self.items) if wide in x.touches())
            last = next(n for at, n in users if at > users[0][0])
            self._join(users[0][1], last)

    def span(self, b: Buffer, levels: Sequence[int]) -> range:
        """The stages from the first to the last that accesses an array."""
        found = [at for x, at in zip(self.items, levels, strict=True) if b in x.touches()]
        return range(min(found), max(found) + 1) if found else range(0)

    def _join(self, a: int, b: int) -> None:
        old, new = self.group[b], self.group[a]
        self.group = [new if g == old else g for g in self.group]

    def _longest(self) -> list[int]:
        """For each statement the most groups that have to come before its own, as late as its users allow."""
        while True:
            reach = self._reach()
            ring = next(((a, b) for a in reach for b in reach[a] if a != b and a in reach[b]), None)
            if ring is None:
                break
            self._join(*ring)
        order = sorted(reach, key=lambda g: -len(reach[g]))
        level: dict[int, int] = {}
        for g in order:
            level[g] = 1 + max((level[h] for h in level if g in reach[h]), default=-1)
        for g in reversed(order):
            level[g] = min((level[h] - 1 for h in reach[g]), default=level[g])
        return [level[g] for g in self.group]

    def _reach(self) -> dict[int, set[int]]:
        """For each group those that come after it."""
        found: dict[int, set[int]] = {g: set() for g in self.group}
        pairs = {(self.group[a], self.group[b]) for a, b in self.edges} - {(g, g) for g in self.group}
        for _ in found:
            for a, b in pairs:
                found[a] |= {b, *found[b]}
        return found
