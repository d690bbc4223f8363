"""The step that lets padding be computed like the rest: what it holds is never stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Expr, For, If, Kernel, Load, LoopKind, Reduce, Ref, Stmt, Var
from gemel.semantics.ranges import Ranges
from gemel.semantics.schedule.names import find, refuse, rewritten
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import Conditions, alike, conjuncts, uses, variables, zero
from gemel.semantics.traverse import Body, map_expr, statements, subexprs


def unguard(kernel: Kernel, at: str) -> Kernel:
    """Drops conditions around what is accumulated locally in the loop `at`, where they only keep padding out.

    What the padding then holds is never read: it is stored back under the same condition. A load that the condition
    kept inside of its array takes the nearest element there instead, or none where lanes differ. Raises ScheduleError
    where there is nothing to drop.
    """
    loop = find(kernel, at).loop
    with inside(kernel, loop) as (ranges, _):
        padding = _Padding(loop, ranges)
        body = padding.block(loop.body)
    if not padding.dropped:
        raise refuse(f"no condition in {at} only keeps padding out", loop.span, "stage and accumulate first")
    return rewritten(kernel, loop, lambda s: (replace(s, body=body),))


@dataclass
class _Padding:
    """The loop under change: what is known at the place that has been reached, and how many conditions are gone."""

    loop: For
    ranges: Ranges
    dropped: int = 0

    def __post_init__(self) -> None:
        self.own = {s.buffer for s in self.loop.body if isinstance(s, Alloc)}
        self.inner = {s.var: s for s in statements(self.loop.body) if isinstance(s, For)}

    def block(self, body: Body) -> Body:
        """Statements without conditions that only keep padding out."""
        return tuple(t for s in body for t in self._stmt(s))

    def _stmt(self, s: Stmt) -> Body:
        if isinstance(s, For):
            with self.ranges.inside(s):
                return (replace(s, body=self.block(s.body)),)
        if isinstance(s, If) and not s.orelse and all(map(self._accumulates, s.then)):
            return self._opened(s)
        return (s,)

    def _accumulates(self, s: Stmt) -> bool:
        return isinstance(s, Reduce) and s.buffer in self.own

    def _opened(self, s: If) -> Body:
        """What a condition guards, with what is left of the condition."""
        every = conjuncts(s.cond)
        places = {v for x in s.then if isinstance(x, Reduce) for i in x.indices for v in variables(i)}
        needed = (self.inner.keys() - places) | self._without_size(s)
        free = [c for c in every if not variables(c) & needed and all(self._stored_under(x, c) for x in s.then)]
        kept = [c for c in every if c not in free]
        self.dropped += len(free)
        cond = build.all_of(kept, s.span)
        with self.ranges.assuming(cond, True):
            then = tuple(self._kept_inside(x) for x in s.then)
        return then if not kept else (replace(s, cond=cond, then=then),)

    def _stored_under(self, s: Stmt, cond: Expr) -> bool:
        """Whether what is accumulated is read under the same condition only."""
        if not isinstance(s, Reduce) or not all(isinstance(i, Ref) for i in s.indices):
            return False
        own = [i.var for i in s.indices if isinstance(i, Ref)]
        return all(
            _under(Folding(vars=dict(zip(own, u.indices, strict=True))).expr(cond), u.conditions)
            for u in uses(self.loop.body, s.buffer)
            if not (hasattr(u.stmt, "buffer") and u.stmt.buffer is s.buffer)
        )

    def _without_size(self, s: If) -> set[Var]:
        """The variables of indices along axes of unknown size: there a condition is all there is to go by."""
        places = [p for e in _loads(s) for p in zip(e.indices, e.buffer.shape, strict=True)]
        return {v for i, size in places if value_of(size, {}) is None for v in variables(i)}

    def _kept_inside(self, s: Stmt) -> Stmt:
        return replace(s, value=map_expr(self._load, s.value)) if isinstance(s, Reduce) else s

    def _load(self, e: Expr) -> Expr:
        """A load that can't leave its array."""
        if not isinstance(e, Load):
            return e
        moved: list[Expr] = []
        inside_: list[Expr] = []
        for i, size in zip(e.indices, e.buffer.shape, strict=True):
            low, high, most = *self.ranges.of(i), value_of(size, {})
            known = most is None or (low >= 0 and high < most)
            moved.append(i if known else _nearest(i, low, high, most or 0))
            inside_ += [] if known else _bounds(i, low, high, most or 0)
        if not inside_:
            return e
        if not any(self.inner[v].kind is LoopKind.VECTOR for i in e.indices for v in variables(i) & self.inner.keys()):
            return replace(e, indices=tuple(moved))
        return build.apply(ops.SELECT, build.all_of(inside_, e.span), e, zero(e.dtype, e.span), span=e.span)


def _loads(s: If) -> Iterator[Load]:
    for x in s.then:
        yield from (e for e in subexprs(x.value) if isinstance(e, Load)) if isinstance(x, Reduce) else ()


def _nearest(i: Expr, low: int, high: int, size: int) -> Expr:
    """The index in range that is nearest."""
    if high >= size:
        i = build.apply(ops.MIN, i, build.index(size - 1, i.span), span=i.span)
    return build.apply(ops.MAX, i, build.index(0, i.span), span=i.span) if low < 0 else i


def _bounds(i: Expr, low: int, high: int, size: int) -> list[Expr]:
    """The conditions for an index to be in range."""
    upper = [build.apply(ops.LT, i, build.index(size, i.span), span=i.span)] if high >= size else []
    return upper + ([build.apply(ops.LE, build.index(0, i.span), i, span=i.span)] if low < 0 else [])


def _under(cond: Expr, conditions: Conditions) -> bool:
    return any(alike(cond, c) for c in conditions)
