"""Which buffers a kernel fills before it reads them.

The others are set to zero first, so that no run reads what was never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Buffer, Expr, For, If, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.traverse import Body, blocks_of, exprs_of, statements, subexprs

Place = tuple[Var | None, ...]
"""The variable that is the index of each axis; None where the axis has one element."""


@dataclass
class Coverage:
    """Answers for one kernel; what each statement touches is found once."""

    _touched: dict[Stmt, frozenset[Buffer]] = field(default_factory=dict)

    def covers(self, body: Body, b: Buffer) -> bool:
        """Whether a block, whenever it gets past the first statements that touch `b`, has stored to all of its elements
        before reading any. Loops with constant bounds and branches of which both sides store are seen through.
        """
        return 0 in (value_of(size, {}) for size in b.shape) or self._fill(body, b, {}) is not None

    def touched(self, s: Stmt) -> frozenset[Buffer]:
        """The buffers that a statement loads from or stores to, nested statements included."""
        if s not in self._touched:
            found = {e.buffer for x in exprs_of(s) for e in subexprs(x) if isinstance(e, Load)}
            if isinstance(s, Store | Reduce):
                found.add(s.buffer)
            inner = (self.touched(t) for block in blocks_of(s) for t in block)
            self._touched[s] = frozenset(found).union(*inner)
        return self._touched[s]

    def _fill(self, body: Body, b: Buffer, loops: dict[Var, int]) -> Place | None:
        """Where the first statement that touches `b` stores, if over all iterations of `loops` that is everywhere."""
        for n, s in enumerate(body):
            if b in self.touched(s):
                place = self._fill_by(s, b, loops)
                safe = place is not None and _read_at(body[n + 1 :], b, place, loops)
                return place if safe else None
        return None

    def _fill_by(self, s: Stmt, b: Buffer, loops: dict[Var, int]) -> Place | None:
        match s:
            case Store() if s.buffer is b and not _loads(s, b):
                return _place(s, loops)
            case For() if s.until is None and not _loads(s, b):
                trips = _trips(s)
                return self._fill(s.body, b, {**loops, s.var: trips}) if trips else None
            case If() if not _loads(s, b):
                then, orelse = (self._fill(block, b, loops) for block in (s.then, s.orelse))
                return then if then == orelse else None
            case _:
                return None


def _loads(s: Stmt, b: Buffer) -> bool:
    return any(isinstance(e, Load) and e.buffer is b for x in exprs_of(s) for e in subexprs(x))


def _trips(s: For) -> int:
    """The size of the axis that the loop's variable runs through, -1 if it runs otherwise but at least once, else 0."""
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    if lo is None or hi is None or not step:
        return 0
    trips = len(range(lo, hi, step))
    return trips if (lo, step) == (0, 1) else -min(trips, 1)


def _place(s: Store, loops: dict[Var, int]) -> Place | None:
    place: list[Var | None] = []
    for i, dim in zip(s.indices, s.buffer.shape, strict=True):
        size = value_of(dim, {})
        if isinstance(i, Ref) and loops.get(i.var) == size and i.var not in place:
            place.append(i.var)
        elif size == 1:
            place.append(None)
        else:
            return None
    return tuple(place)


def _read_at(body: Body, b: Buffer, place: Place, loops: dict[Var, int]) -> bool:
    """Whether a block that follows the store reads `b` where this iteration of `loops` has stored."""
    if not loops:
        return True
    for s in statements(body):
        reads = [e.indices for x in exprs_of(s) for e in subexprs(x) if isinstance(e, Load) and e.buffer is b]
        if isinstance(s, Reduce) and s.buffer is b:
            reads.append(s.indices)
        if not all(_matches(indices, place, loops) for indices in reads):
            return False
    return True


def _matches(indices: tuple[Expr, ...], place: Place, loops: dict[Var, int]) -> bool:
    return all(v not in loops or (isinstance(i, Ref) and i.var is v) for i, v in zip(indices, place, strict=True))
