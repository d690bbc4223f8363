"""The step that lets local arrays be computed for whole blocks: conditions that only keep padding out are dropped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Alloc, Apply, Buffer, Expr, For, If, Kernel, Load, Reduce, Stmt, Store, Var
from gemel.semantics.ranges import Ranges
from gemel.semantics.schedule.absorb import covered
from gemel.semantics.schedule.dead import Dead, dead_of, read, visits
from gemel.semantics.schedule.names import find, refuse, rewritten
from gemel.semantics.schedule.windows import Use, conjuncts, matches, uses, variables, without
from gemel.semantics.traverse import Body, accesses, exprs_of, map_blocks, statements, subexprs


def pad(kernel: Kernel, at: str) -> Kernel:
    """Drops conditions in the loop `at` that only keep padding out of local arrays.

    Without it, an iteration stores to elements that nobody reads, and reads only what has been stored to. Raises
    ScheduleError where there is nothing to drop.
    """
    found = find(kernel, at)
    padding = _Padding(kernel, found.loop)
    body = tuple(x for s in found.loop.body for x in padding.without(s))
    if not padding.dropped:
        raise refuse(f"no condition in {at} only keeps padding out", found.loop.span, "stage and accumulate first")
    return rewritten(kernel, found.loop, lambda s: (replace(s, body=body),))


Key = tuple[If, Expr]


@dataclass
class _Padding:
    """The conditions of a loop that may be dropped; `whole` are the arrays of which each element has been stored to."""

    kernel: Kernel
    loop: For
    local: set[Buffer] = field(default_factory=set)
    whole: set[Buffer] = field(default_factory=set)
    dead: dict[Key, list[Dead]] = field(default_factory=dict)
    dropped: int = 0

    def __post_init__(self) -> None:
        self.local = {s.buffer for s in statements(self.loop.body) if isinstance(s, Alloc)}
        inner = {s.var for s in statements(self.loop.body) if isinstance(s, For)}
        for s, ranges in visits(self.kernel, self.loop):
            if isinstance(s, If) and not s.orelse and all(map(self._padded, s.then)):
                for c in conjuncts(s.cond):
                    found = [dead_of(ranges, c, t, inner) for t in s.then if _safe(ranges, t)]
                    if len(found) == len(s.then) and None not in found:
                        self.dead[s, c] = [d for d in found if d is not None]
        for s, ranges in visits(self.kernel, self.loop):
            loads = [x for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Load)]
            self.dead = {k: v for k, v in self.dead.items() if not any(read(ranges, d, loads) for d in v)}

    def _padded(self, s: Stmt) -> bool:
        """Whether a statement stores to a local array, and fails for no values."""
        divides = (ops.FLOORDIV, ops.MOD)
        fails = any(isinstance(x, Apply) and x.op in divides for e in exprs_of(s) for x in subexprs(e))
        return isinstance(s, Store | Reduce) and s.buffer in self.local and not fails

    def without(self, s: Stmt) -> Body:
        """A statement of the loop's own block without the conditions that may go."""
        made = self._without(s)
        for b in self.local - self.whole:
            for u in uses(made, b):
                if isinstance(u.stmt, Store) and u.stmt.buffer is b and self._covers(b, u):
                    self.whole.add(b)
        return made

    def _covers(self, b: Buffer, u: Use) -> bool:
        if any((value_of(s.hi, {}) or 0) <= (value_of(s.lo, {}) or 0) for s in u.loops):
            return False
        try:
            covered(b, u, [], self.loop)
        except ScheduleError:
            return False
        return True

    def _without(self, s: Stmt) -> Body:
        if isinstance(s, If) and any((s, c) in self.dead for c in conjuncts(s.cond)) and self._known(s):
            self.dropped += sum((s, c) in self.dead for c in conjuncts(s.cond))
            return without(s, lambda c: (s, c) in self.dead)
        return (map_blocks(s, lambda block: tuple(x for t in block for x in self._without(t))),)

    def _known(self, s: If) -> bool:
        """Whether all that a branch reads has been stored to, without its condition too."""
        read = {x.buffer for t in s.then for e in exprs_of(t) for x in subexprs(e) if isinstance(x, Load)}
        read |= {t.buffer for t in s.then if isinstance(t, Reduce)}
        given = {p for p in self.kernel.params if isinstance(p, Buffer)}
        return all(b in self.whole or b in given or b.data is not None or self._filled_alike(b, s) for b in read)

    def _filled_alike(self, b: Buffer, s: If) -> bool:
        """Whether loops over the same ranges as those around a branch store to each place of `b` that it uses."""
        every = list(uses(self.kernel.body, b))
        mine = [u for u in every if any(u.stmt is t for t in s.then)]
        fill = next((u for u in every if isinstance(u.stmt, Store) and u.stmt.buffer is b and not u.conditions), None)
        return fill is not None and all(_alike(fill, u) for u in mine)


def _safe(ranges: Ranges, s: Stmt) -> bool:
    """Whether all places of a statement are inside of their arrays, whatever the condition around says."""
    for b, indices in accesses(s):
        for i, size in zip(indices, b.shape, strict=True):
            (low, high), n = ranges.of(i), value_of(size, {})
            if n is None or low < 0 or high >= n:
                return False
    return True


def _alike(fill: Use, use: Use) -> bool:
    own = [s for s in fill.loops if not any(s is t for t in use.loops)]
    free, at = {s.var for s in own}, dict[Var, Expr]()
    place = fill.stmt.indices if isinstance(fill.stmt, Store) else ()
    if not all(matches(p, i, free, at) for p, i in zip(place, use.indices, strict=True)) or set(at) != free:
        return False
    by_var = {s.var: s for s in use.loops}
    return all(_same_range(s, by_var, free, at) for s in own)


def _same_range(s: For, by_var: dict[Var, For], free: set[Var], at: dict[Var, Expr]) -> bool:
    own = variables(at[s.var])
    other = by_var.get(next(iter(own))) if len(own) == 1 else None
    return other is not None and all(
        matches(a, b, free, at) for a, b in ((s.lo, other.lo), (s.hi, other.hi), (s.step, other.step))
    )
