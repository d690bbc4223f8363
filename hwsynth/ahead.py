"""A turn of its own for what stands before the innermost loop of a nest, so that its reads don't meet those inside.

`x = A[i, j]; for k: x -= A[i, k] * A[k, j]` reads three elements of `A` in the first turn of `k`, two in all others. In
a turn ahead of the first, in which the body rests, `A[i, j]` is read alone. Elements that stay the same in the loop are
read in that turn, too, once for the body and for what stands after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from gemel.hwsynth.regions import Choice, Level, Pipe, Region, all_regions, variables
from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Buffer, Expr, For, If, Let, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.linear import Sum, sum_of
from gemel.semantics.passes.scalarize import same
from gemel.semantics.traverse import Body, all_exprs, loaded, map_body, statements

ONE = Sum(1, {})


def offer(top: list[Region]) -> list[Region]:
    """The regions, in which nests with a turn ahead are among the choices."""
    for r in all_regions(top):
        if isinstance(r, Choice):
            more = [ahead(x) for x in r.options if isinstance(x, Pipe)]
            r.options = (*r.options, *(x for x in more if x is not None))
    return top


def ahead(nest: Pipe) -> Pipe | None:
    """The nest with a turn ahead of its innermost loop; None where that would keep no reads apart."""
    if len(nest.levels) < 2:
        return None
    *outer, around, inner = nest.levels
    uses = Counter(e.buffer for e in all_exprs((*around.before, *inner.before, *around.after)) if isinstance(e, Load))
    inside = {*_bound(inner), *_defined(around.after)}
    hoist = _Hoist({b for b, n in uses.items() if n > 1}, inside, inner.loop)
    body, after = hoist.loop(inner.before), hoist.rest(around.after)
    before = (*around.before, *hoist.lets())
    if not loaded(before) & loaded(body):
        return None
    levels = (*outer, replace(around, before=before, after=after), replace(inner, before=body))
    return replace(nest, levels=levels, ahead=True)


@dataclass
class _Hoist:
    """Loads `of` some memories whose places names from `inside` don't tell, where nothing has stored to them."""

    of: set[Buffer]
    inside: set[Var]
    over: For
    stores: list[Store | Reduce] = field(default_factory=list)
    """The stores before the place that is looked at."""
    found: list[tuple[Load, Var]] = field(default_factory=list)

    def loop(self, body: Body) -> Body:
        """The loop's body with such loads by name."""
        self.stores += _stores(body)
        return map_body(body, self._expr)

    def rest(self, after: Body) -> Body:
        """The same for what stands after the loop."""
        done: list[Stmt] = []
        for s in after:
            inside = _stores((s,))
            if isinstance(s, If):  # the block's own order isn't looked at
                self.stores += inside
            done += map_body((s,), self._expr)
            self.stores += inside
        return tuple(done)

    def _expr(self, e: Expr) -> Expr:
        if not isinstance(e, Load) or e.buffer not in self.of or any(map(build.reads_memory, e.indices)):
            return e
        if variables(iter(e.indices)) & self.inside or not all(self._apart(e, s) for s in self.stores):
            return e
        return Ref(self._name(e), e.span)

    def _apart(self, e: Load, s: Store | Reduce) -> bool:
        """Whether a store certainly doesn't change an element."""
        return s.buffer is not e.buffer or any(map(self._differ, e.indices, s.indices))

    def _differ(self, a: Expr, b: Expr) -> bool:
        """Whether an index isn't another one in any turn of the loop: it is above or below that at one of its ends."""
        x, y, lo, hi = map(sum_of, (a, b, self.over.lo, self.over.hi))
        if x is None or y is None or lo is None or hi is None or (value_of(self.over.step, {}) or 0) <= 0:
            return False
        gap = x.plus(y, -1)
        slope = gap.terms.get(self.over.var, 0)
        ends = [gap.plus(end, slope).plus(Sum(0, {self.over.var: 1}), -slope) for end in (lo, hi.plus(ONE, -1))]
        least, most = ends if slope >= 0 else ends[::-1]
        return (not least.terms and least.constant > 0) or (not most.terms and most.constant < 0)

    def _name(self, e: Load) -> Var:
        for load, name in self.found:
            if load.buffer is e.buffer and all(map(same, load.indices, e.indices)):
                return name
        self.found.append((e, Var(e.buffer.hint, e.dtype, e.span)))
        return self.found[-1][1]

    def lets(self) -> Body:
        """The loads, before the loop."""
        return tuple(Let(name, load, load.span) for load, name in self.found)


def _stores(body: Body) -> list[Store | Reduce]:
    return [s for s in statements(body) if isinstance(s, Store | Reduce)]


def _bound(inner: Level) -> Iterator[Var]:
    """The names of a loop: its counter, what it carries, what its body defines."""
    yield inner.loop.var
    for c in inner.loop.carry:
        yield from (c.var, c.result)
    yield from _defined(inner.before)


def _defined(body: Body) -> Iterator[Var]:
    for s in statements(body):
        if isinstance(s, Let):
            yield s.var
        elif isinstance(s, If):
            yield from (m.var for m in s.merges)
