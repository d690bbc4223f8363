"""Which buffers a kernel fills before it reads them.

The others are set to zero first, so that no run reads what was never written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Apply, Buffer, Const, Expr, For, If, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.schedule.windows import alike, variables
from gemel.semantics.traverse import Body, blocks_of, exprs_of, statements, subexprs

Place = tuple[Expr | None, ...]
"""The index of each axis; None where the axis has one element."""

Guards = tuple[Expr, ...]
"""Conditions under which a statement runs."""


@dataclass
class Coverage:
    """Answers for one kernel; what each statement touches is found once."""

    _touched: dict[Stmt, frozenset[Buffer]] = field(default_factory=dict)

    def covers(self, body: Body, b: Buffer) -> bool:
        """Whether a block, whenever it gets past the first statements that touch `b`, has stored to all of its elements
        before reading any. Loops with constant bounds and branches of which both sides store are seen through.
        """
        return 0 in (value_of(size, {}) for size in b.shape) or self._fill(body, b, {}, ()) is not None

    def touched(self, s: Stmt) -> frozenset[Buffer]:
        """The buffers that a statement loads from or stores to, nested statements included."""
        if s not in self._touched:
            found = {e.buffer for x in exprs_of(s) for e in subexprs(x) if isinstance(e, Load)}
            if isinstance(s, Store | Reduce):
                found.add(s.buffer)
            inner = (self.touched(t) for block in blocks_of(s) for t in block)
            self._touched[s] = frozenset(found).union(*inner)
        return self._touched[s]

    def _fill(self, body: Body, b: Buffer, loops: dict[Var, int], guards: Guards) -> Place | None:
        """Where the first statement that touches `b` stores, if over all iterations of `loops` that is everywhere."""
        for n, s in enumerate(body):
            if b in self.touched(s):
                place = self._fill_by(s, b, loops, guards)
                safe = place is not None and _read_at(body[n + 1 :], b, place, loops)
                return place if safe else None
        return None

    def _fill_by(self, s: Stmt, b: Buffer, loops: dict[Var, int], guards: Guards) -> Place | None:
        match s:
            case Store() if s.buffer is b and not _loads(s, b):
                return _place(s, loops, guards)
            case For() if s.until is None and not _loads(s, b):
                trips = _trips(s)
                return self._fill(s.body, b, {**loops, s.var: trips}, guards) if trips else None
            case If() if not _loads(s, b) and not s.orelse:
                return self._fill(s.then, b, loops, (*guards, *_conditions(s.cond)))
            case If() if not _loads(s, b):
                then, orelse = (self._fill(block, b, loops, guards) for block in (s.then, s.orelse))
                return then if then is not None and orelse is not None and _same(then, orelse) else None
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


def _place(s: Store, loops: dict[Var, int], guards: Guards) -> Place | None:
    """The place of a store, if it is each element once all of the loops have run, whatever the guards keep out."""
    place: list[Expr | None] = []
    used: set[Var] = set()
    for i, dim in zip(s.indices, s.buffer.shape, strict=True):
        size, guarded = value_of(dim, {}) or 0, [g for g in guards if _keeps(g, i, dim)]
        found = _runs_to(i, loops)
        whole = found is not None and (found[0] == size or (bool(guarded) and found[0] > size))
        if found is not None and whole and not used & found[1]:
            place.append(i)
            used |= found[1]
        elif size == 1:
            place.append(None)
        else:
            return None
        guards = tuple(g for g in guards if g not in guarded)
    return None if guards else tuple(place)


def _conditions(e: Expr) -> Guards:
    if isinstance(e, Apply) and e.op is ops.LAND:
        return tuple(c for a in e.args for c in _conditions(a))
    return (e,)


def _keeps(guard: Expr, index: Expr, size: Expr) -> bool:
    """Whether a condition holds for each index below the size."""
    if not isinstance(guard, Apply) or guard.op is not ops.LT or not alike(guard.args[0], index):
        return False
    bound, whole = value_of(guard.args[1], {}), value_of(size, {})
    return bound is not None and whole is not None and bound >= whole


def _runs_to(e: Expr, loops: dict[Var, int]) -> tuple[int, set[Var]] | None:
    """The number N of the values 0..N-1 that an index has in loops whose variables are its digits; and these."""
    digits = _digits(e)
    if digits is None:
        return None
    size = 1
    for v, factor in sorted(digits.items(), key=lambda d: d[1]):
        if factor != size or loops.get(v, 0) < 1:
            return None
        size *= loops[v]
    return size, set(digits)


def _digits(e: Expr) -> dict[Var, int] | None:
    """The factors of an index that is a sum of multiples of variables."""
    match e:
        case Ref():
            return {e.var: 1}
        case Apply(op=ops.ADD):
            a, b = map(_digits, e.args)
            return {**a, **b} if a is not None and b is not None and not a.keys() & b.keys() else None
        case Apply(op=ops.MUL, args=(a, Const(value=n))) | Apply(op=ops.MUL, args=(Const(value=n), a)):
            own = _digits(a)
            return {v: c * int(n) for v, c in own.items()} if own is not None else None
        case _:
            return None


def _same(p: Place, q: Place) -> bool:
    return all(a is b or (a is not None and b is not None and alike(a, b)) for a, b in zip(p, q, strict=True))


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
    return all(
        p is None or not any(v in loops for v in variables(p)) or alike(i, p)
        for i, p in zip(indices, place, strict=True)
    )
