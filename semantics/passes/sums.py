"""Sums that start from a known value and have so many terms at most: what their accumulators can hold.

The form is a store, and behind it in the same block a nest of counted loops that holds the one other write of that
element, an addition to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gemel.semantics import ops
from gemel.semantics.intervals import Interval
from gemel.semantics.ir import Alloc, Apply, Buffer, Const, Expr, For, If, Reduce, Ref, Stmt, Store
from gemel.semantics.traverse import blocks_of, statements

MANY = 1 << 32
"""More terms than this are taken not to be there, and a report says so."""


@dataclass
class Sums:
    """The sums under way in a walk of a kernel, and how often each loop around the place runs at most."""

    started: dict[Reduce, tuple[Interval, int]] = field(default_factory=dict)
    trips: list[int] = field(default_factory=list)

    def start(self, s: Store, value: Interval, behind: Sequence[Stmt]) -> None:
        """Notes that a store is walked past; `behind` are the statements after it in its block."""
        first = next((x for x in behind if s.buffer in _written(x)), None)
        writes = [] if first is None else [x for x in statements((first,)) if s.buffer in _written_by(x)]
        if len(writes) != 1 or first is None or not isinstance(write := writes[0], Reduce):
            return
        if write.op is ops.ADD and _counted(first, write) and all(map(_same, s.indices, write.indices)):
            self.started[write] = (value, len(self.trips))

    def extent(self, s: Reduce, value: Interval) -> tuple[Interval, bool] | None:
        """The range of an accumulator with what is added now, and whether that takes at most `MANY` terms for granted.

        None for what is no sum of this form.
        """
        if s not in self.started:
            return None
        (low, high), depth = self.started[s]
        terms = 1
        for n in self.trips[depth:]:
            terms *= n
        some = min(terms, MANY)
        return (low + some * min(value[0], 0), high + some * max(value[1], 0)), terms > MANY


def _counted(s: Stmt, inner: Reduce) -> bool:
    """Whether only counted loops and branches lie around a statement in `s`."""
    if s is inner:
        return True
    return isinstance(s, For | If) and any(_counted(x, inner) for block in blocks_of(s) for x in block)


def _written_by(s: Stmt) -> tuple[Buffer, ...]:
    return (s.buffer,) if isinstance(s, Store | Reduce | Alloc) else ()


def _written(s: Stmt) -> set[Buffer]:
    return {b for x in statements((s,)) for b in _written_by(x)}


def _same(a: Expr, b: Expr) -> bool:
    """Whether two indices are one, without what memory holds."""
    match a, b:
        case Ref(), Ref():
            return a.var is b.var
        case Const(), Const():
            return a.value == b.value
        case Apply(), Apply():
            return a.op is b.op and all(map(_same, a.args, b.args))
        case _:
            return False
