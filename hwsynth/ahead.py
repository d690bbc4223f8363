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
from gemel.semantics.ir import Buffer, Expr, If, Let, Load, Ref, Stmt, Var
from gemel.semantics.passes.scalarize import same
from gemel.semantics.traverse import Body, all_exprs, loaded, map_body, statements, stored


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
    hoist = _Hoist({b for b, n in uses.items() if n > 1}, {*_bound(inner), *_defined(around.after)})
    body, after = hoist.loop(inner.before), hoist.rest(around.after)
    before = (*around.before, *hoist.lets())
    if not loaded(before) & loaded(body):
        return None
    levels = (*outer, replace(around, before=before, after=after), replace(inner, before=body))
    return replace(nest, levels=levels, ahead=True)


@dataclass
class _Hoist:
    """Loads `of` some memories whose places names from `inside` don't tell, where nothing has stored to the memory."""

    of: set[Buffer]
    inside: set[Var]
    found: list[tuple[Load, Var]] = field(default_factory=list)

    def loop(self, body: Body) -> Body:
        """The loop's body with such loads by name."""
        self.of -= stored(body)
        return map_body(body, self._expr)

    def rest(self, after: Body) -> Body:
        """The same for what stands after the loop."""
        done: list[Stmt] = []
        for s in after:
            inside = stored((s,))
            if isinstance(s, If):  # the block's own order isn't looked at
                self.of -= inside
            done += map_body((s,), self._expr)
            self.of -= inside
        return tuple(done)

    def _expr(self, e: Expr) -> Expr:
        if not isinstance(e, Load) or e.buffer not in self.of or any(map(build.reads_memory, e.indices)):
            return e
        return e if variables(iter(e.indices)) & self.inside else Ref(self._name(e), e.span)

    def _name(self, e: Load) -> Var:
        for load, name in self.found:
            if load.buffer is e.buffer and all(map(same, load.indices, e.indices)):
                return name
        self.found.append((e, Var(e.buffer.hint, e.dtype, e.span)))
        return self.found[-1][1]

    def lets(self) -> Body:
        """The loads, before the loop."""
        return tuple(Let(name, load, load.span) for load, name in self.found)


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
