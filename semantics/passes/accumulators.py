"""An element that a loop changes and others don't touch lives in a variable while the loop runs.

Where `scalarize` wants all accesses of an array to be at one place, here others may be at places that ranges show to be
different: `A[i, j] -= A[i, k] * A[k, j]` for k below i and j.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.ir import (
    Alloc,
    Buffer,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Stmt,
    Store,
    While,
    in_order,
)
from gemel.semantics.passes.scalarize import changes, same
from gemel.semantics.ranges import Ranges
from gemel.semantics.traverse import Body, accesses, map_blocks, map_body, statements, stored

Place = tuple[Expr, ...]


def accumulators(kernel: Kernel) -> Kernel:
    """The kernel with elements that loops change in variables."""
    given = {p for p in kernel.params if isinstance(p, Buffer)}
    return replace(kernel, body=_Accumulators(Ranges(kernel), given).body(kernel.body))


@dataclass
class _Accumulators:
    ranges: Ranges
    given: set[Buffer]

    def body(self, body: Body) -> Body:
        """A block: outer loops first, so that an element stays in its variable as long as it can."""
        done: set[Buffer] = set()
        for b, place in list(_candidates(body)):
            if b not in done:
                new = self._with_cell(body, b, place)
                done |= {b} if new is not body else set()
                body = new
        out = []
        for s in body:
            out.append(self._inside(s))
            self.ranges.pass_by(s)
        return tuple(out)

    def _inside(self, s: Stmt) -> Stmt:
        match s:
            case For() | While():
                with self.ranges.inside(s):
                    return map_blocks(s, self.body)
            case If():
                with self.ranges.assuming(s.cond, True):
                    then = self.body(s.then)
                with self.ranges.assuming(s.cond, False):
                    return replace(s, then=then, orelse=self.body(s.orelse))
            case _:
                return s

    def _with_cell(self, body: Body, b: Buffer, place: Place) -> Body:
        """The block with an element in a variable from its first use in it to its last, or as it is."""
        users = [n for n, s in enumerate(body) if any(_meets(a, b, place) for a in _accesses((s,)))]
        first, last = users[0], users[-1] + 1
        part = body[first:last]
        fresh = _only_sets(part[0], b, place)
        if not (fresh or b in self.given) or not self._fits(body[:first], b, place, part):
            return body
        span = part[0].span
        cell = Buffer(b.hint, b.dtype, (), span)
        before: Body = (Alloc(cell, span),)
        if not fresh:
            before += (Store(cell, (), Load(b, place, span), span),)
        after = Store(b, place, Load(cell, (), span), span)
        return (*body[:first], *before, *_in_cell(part, b, place, cell), after, *body[last:])

    def _fits(self, before: Body, b: Buffer, place: Place, part: Body) -> bool:
        """Whether the place is an element, doesn't change, and other accesses in the part are certainly elsewhere."""
        inside = {s.var for s in statements(part) if isinstance(s, Let | For)}
        if any(changes(i, inside, stored(part)) for i in place):
            return False
        saved = dict(self.ranges.facts)
        for s in before:
            self.ranges.pass_by(s)
        within = all(self._within(i, size) for i, size in zip(place, b.shape, strict=True))
        apart = within and self._apart(part, b, place)
        self.ranges.facts = saved
        return apart

    def _within(self, i: Expr, size: Expr) -> bool:
        room = build.apply(ops.SUB, size, i, span=i.span)
        return self.ranges.of(i)[0] >= 0 and self.ranges.of(room)[0] >= 1

    def _apart(self, body: Body, b: Buffer, place: Place) -> bool:
        """Whether accesses of the buffer in a block are of the element or certainly of others."""
        return all(self._stmt_apart(s, b, place) for s in body)

    def _stmt_apart(self, s: Stmt, b: Buffer, place: Place) -> bool:
        match s:
            case For() | While():
                with self.ranges.inside(s):
                    found = self._own_apart(s, b, place) and self._apart(s.body, b, place)
            case If():
                found = self._own_apart(s, b, place)
                with self.ranges.assuming(s.cond, True):
                    found = found and self._apart(s.then, b, place)
                with self.ranges.assuming(s.cond, False):
                    found = found and self._apart(s.orelse, b, place)
            case _:
                found = self._own_apart(s, b, place)
        self.ranges.pass_by(s)
        return found

    def _own_apart(self, s: Stmt, b: Buffer, place: Place) -> bool:
        return all(
            buffer is not b or all(map(same, indices, place)) or self._differ(indices, place)
            for buffer, indices in accesses(s)
        )

    def _differ(self, a: Place, b: Place) -> bool:
        for x, y in zip(a, b, strict=True):
            low, high = self.ranges.of(build.apply(ops.SUB, x, y, span=x.span))
            if low > 0 or high < 0:
                return True
        return False


def _candidates(body: Body) -> Iterator[tuple[Buffer, Place]]:
    """Elements that a loop of a block stores to."""
    seen: list[tuple[Buffer, Place]] = []
    for loop in body:
        if not isinstance(loop, For | While):
            continue
        inside = {s.var for s in statements((loop,)) if isinstance(s, Let | For)}
        for s in statements((loop,)):
            if isinstance(s, Store | Reduce) and s.buffer.rank and s.buffer.data is None:
                steady = not any(changes(i, inside, stored((loop,))) for i in s.indices)
                if steady and not any(_meets(e, s.buffer, s.indices) for e in seen):
                    seen.append((s.buffer, s.indices))
                    yield s.buffer, s.indices


def _accesses(body: Body) -> Iterator[tuple[Buffer, Place]]:
    for s in statements(body):
        yield from accesses(s)


def _only_sets(s: Stmt, b: Buffer, place: Place) -> bool:
    """Whether a statement stores to the element without having loaded it."""
    used = [a for a in accesses(s) if _meets(a, b, place)]
    return isinstance(s, Store) and len(used) == 1 and _meets((s.buffer, s.indices), b, place)


def _meets(access: tuple[Buffer, Place], b: Buffer, place: Place) -> bool:
    return access[0] is b and all(map(same, access[1], place))


def _in_cell(body: Body, b: Buffer, place: Place, cell: Buffer) -> Body:
    def expr(e: Expr) -> Expr:
        return Load(cell, (), e.span) if isinstance(e, Load) and _meets((e.buffer, e.indices), b, place) else e

    def stmt(s: Stmt) -> Stmt:
        if isinstance(s, Store | Reduce) and _meets((s.buffer, s.indices), b, place):
            return replace(s, buffer=cell, indices=())
        return replace(s, kind=in_order(s.kind)) if isinstance(s, For) else s

    return map_body(body, expr, stmt)
