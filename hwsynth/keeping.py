"""Elements of the interface's arrays that a kernel has had in its hands are kept, where their port is too busy.

An innermost loop that reads an array more often in an iteration than its port allows takes some of these elements from
a local array: a copy of all elements, or of those along some axes, such as the row at work. What stores an element, or
loads it elsewhere, puts it there, too. That each element is there when it is asked for is seen by running through the
kernel's control.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, product
from math import prod

from gemel.hwsynth.passing import Passing
from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import (
    Alloc,
    Buffer,
    Expr,
    For,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
    in_order,
)
from gemel.semantics.passes.scalarize import place
from gemel.semantics.traverse import Body, all_exprs, map_blocks, map_body, map_expr, map_own_exprs, statements

MOST_WORDS = 1024
"""Words of a local array with elements of one of the interface."""

MOST_LOADS = 8
"""Loads that are tried one by one for filling a local array."""

PORTS = 1
"""Reads of an array of the interface in a cycle."""


def keep(kernel: Kernel) -> Kernel:
    """The kernel with such local arrays; itself where none helps."""
    given = [b for b in (*kernel.params, *kernel.results) if isinstance(b, Buffer) and b.rank and not b.banks]
    for b in given:
        busy = _busy(kernel.body, b)
        found = _kept(b, busy, kernel.body) if busy else None
        kernel = kernel if found is None else replace(kernel, body=found.kernel_body(kernel.body))
    return kernel


Group = list[Load]
"""Loads of one place."""


def _busy(body: Body, b: Buffer) -> list[tuple[Body, list[Group]]]:
    """The innermost loops that read an array at more places than it has ports, with these places."""
    found = []
    for s in statements(body):
        if isinstance(s, For | While) and not any(isinstance(x, For | While) for x in statements(s.body)):
            groups = _groups(s.body, b)
            if len(groups) > PORTS:
                found.append((s.body, groups))
    return found


def _groups(body: Body, b: Buffer) -> list[Group]:
    found: dict[Hashable, Group] = {}
    for e in all_exprs(body):
        if isinstance(e, Load) and e.buffer is b:
            found.setdefault(tuple(map(place, e.indices)), []).append(e)
    return list(found.values())


def _kept(b: Buffer, busy: Sequence[tuple[Body, list[Group]]], body: Body) -> Kept | None:
    """The smallest local array that takes the load off an array's port, in as many loops as it can."""
    sizes = tuple(value_of(d, {}) or 0 for d in b.shape)
    passing = Passing.of(b, sizes, body)
    if passing is None:
        return None
    best: Kept | None = None
    left = sum(len(groups) - PORTS for _, groups in busy)
    for axes, sites in product(_axes(sizes), _fillings(passing)):
        covered = passing.covered(axes, sites)
        taken = [_taken(groups, covered) for _, groups in busy]
        rest = sum(len(groups) - len(t) - PORTS for (_, groups), t in zip(busy, taken, strict=True))
        if rest < left:
            loads = {id(e) for some in taken for g in some for e in g}
            needed = _needed(passing, axes, loads, sites)
            if all(_writes(inner, needed) <= 1 for inner, _ in busy):
                left, best = rest, Kept(b, axes, loads, needed, _array(b, axes))
    return best


def _fillings(passing: Passing) -> Iterator[set[int]]:
    """The accesses that may fill a local array: all stores, then loads of one place, too, then all."""
    loads = [n for n, site in passing.sites.items() if isinstance(site, Load)]
    stores = set(passing.sites) - set(loads)
    yield stores
    yield from (stores | {n} for n in loads[:MOST_LOADS])
    if len(loads) > 1:
        yield set(passing.sites)


def _axes(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The axes along which elements may be kept, those with the fewest words first."""
    ways = [w for n in range(1, len(sizes) + 1) for w in combinations(range(len(sizes)), n)]
    words = {w: prod(sizes[n] for n in w) for w in ways}
    return sorted((w for w in ways if words[w] <= MOST_WORDS), key=lambda w: words[w])


def _taken(groups: Sequence[Group], covered: set[int]) -> list[Group]:
    """The places of a loop that are read from the local array: no more than it takes."""
    able = [g for g in groups if all(id(e) in covered for e in g)]
    return able[: len(groups) - PORTS]


def _needed(passing: Passing, axes: Sequence[int], loads: set[int], sites: set[int]) -> set[int]:
    """The accesses of some that have to fill the local array; loads are spared first, the last ones before others."""
    needed = set(sites)
    order = sorted(
        (n for n in reversed(passing.sites) if n in sites), key=lambda n: not isinstance(passing.sites[n], Load)
    )
    for site in order:
        if loads <= passing.covered(axes, needed - {site}):
            needed.remove(site)
    return needed


def _writes(body: Body, sites: set[int]) -> int:
    """The accesses in a block that fill the local array."""
    stores = sum(id(s) in sites for s in statements(body))
    return stores + len({id(e) for e in all_exprs(body) if id(e) in sites})


def _array(b: Buffer, axes: Sequence[int]) -> Buffer:
    return Buffer(f"{b.hint}_kept", b.dtype, tuple(b.shape[n] for n in axes), b.span)


@dataclass(frozen=True)
class Kept:
    """A local `array` with elements of `buffer`: `sites` fill it, `loads` are from it."""

    buffer: Buffer
    axes: tuple[int, ...]
    loads: set[int]
    sites: set[int]
    array: Buffer

    def kernel_body(self, body: Body) -> Body:
        """The kernel's statements with it; iterations now depend on each other."""
        return (Alloc(self.array, self.buffer.span), *map_body(self._body(body), stmt=_in_order))

    def _place(self, indices: Sequence[Expr]) -> tuple[Expr, ...]:
        return tuple(indices[n] for n in self.axes)

    def _body(self, body: Body) -> Body:
        return tuple(x for s in body for x in self._stmt(s))

    def _stmt(self, s: Stmt) -> Iterator[Stmt]:
        fills: dict[int, tuple[Load, Var]] = {}
        changed = map_own_exprs(map_blocks(s, self._body), partial(map_expr, partial(self._expr, fills)))
        yield from (Let(v, e, e.span) for e, v in fills.values())
        stores = [Store(self.array, self._place(e.indices), Ref(v, e.span), e.span) for e, v in fills.values()]
        if not isinstance(changed, Store | Reduce) or id(s) not in self.sites:
            yield changed
            yield from stores
            return
        value = Var(self.buffer.hint, self.buffer.dtype, s.span)
        yield Let(value, build.convert(_value(changed), self.buffer.dtype), s.span)
        yield from stores
        yield Store(self.buffer, changed.indices, Ref(value, s.span), s.span)
        yield Store(self.array, self._place(changed.indices), Ref(value, s.span), s.span)

    def _expr(self, fills: dict[int, tuple[Load, Var]], e: Expr) -> Expr:
        if not isinstance(e, Load):
            return e
        if id(e) in self.loads:
            return Load(self.array, self._place(e.indices), e.span)
        if id(e) not in self.sites:
            return e
        _, name = fills.setdefault(id(e), (e, Var(self.buffer.hint, e.dtype, e.span)))
        return Ref(name, e.span)


def _value(s: Store | Reduce) -> Expr:
    if isinstance(s, Store):
        return s.value
    return build.apply(s.op, Load(s.buffer, s.indices, s.span), s.value, span=s.span)


def _in_order(s: Stmt) -> Stmt:
    return replace(s, kind=in_order(s.kind)) if isinstance(s, For) else s
