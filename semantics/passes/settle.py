"""Index variables become what they hold, where that is arithmetic on names: accesses then show where they go.

A variable that stands for a place (`for i, j in pairs` over Python values assigns one) is known after a store, until
something stores to it again; what isn't read any more goes away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemel.semantics.dtypes import IndexType
from gemel.semantics.ir import Alloc, Buffer, Expr, For, If, Kernel, Load, Reduce, Stmt, Store, While
from gemel.semantics.schedule.names import Spelling, is_short
from gemel.semantics.traverse import Body, loaded, map_body, map_expr, map_own_exprs, statements, stored

Known = dict[Buffer, Expr]


def settle(kernel: Kernel) -> Kernel:
    """The kernel with short index arithmetic in place of its names, and of variables that hold it."""
    spelled = Spelling().body(kernel.body)
    cells = {s.buffer for s in statements(spelled) if isinstance(s, Alloc) and _is_cell(s.buffer)} - set(kernel.results)
    body = _Settling(cells).body(spelled, {}) if cells else spelled
    unread = cells - loaded(body)
    return replace(kernel, body=map_body(body, stmt=lambda s: () if _only_writes(s, unread) else s))


def _is_cell(b: Buffer) -> bool:
    return not b.rank and isinstance(b.dtype, IndexType) and b.data is None


def _only_writes(s: Stmt, cells: set[Buffer]) -> bool:
    return isinstance(s, Store | Reduce | Alloc) and s.buffer in cells


@dataclass
class _Settling:
    cells: set[Buffer] = field(default_factory=set)

    def body(self, body: Body, known: Known) -> Body:
        """The block; `known` becomes what is known after it."""
        return tuple(self.stmt(s, known) for s in body)

    def stmt(self, s: Stmt, known: Known) -> Stmt:
        match s:
            case For() | While():
                return self.loop(s, known)
            case If():
                return self.branch(s, known)
            case Store() | Reduce() | Alloc() if s.buffer in self.cells:
                new = self.own(s, known)
                known.pop(s.buffer, None)
                if isinstance(new, Store) and is_short(new.value):
                    known[s.buffer] = new.value
                return new
            case _:
                return self.own(s, known)

    def own(self, s: Stmt, known: Known) -> Stmt:
        def node(e: Expr) -> Expr:
            return known.get(e.buffer, e) if isinstance(e, Load) and e.buffer in self.cells else e

        return map_own_exprs(s, lambda e: map_expr(node, e)) if known else s

    def loop(self, s: For | While, known: Known) -> Stmt:
        """A loop; its bounds are evaluated once, its conditions in each iteration."""
        bounds = self.own(replace(s, until=None), known) if isinstance(s, For) else s
        _forget(known, s.body)
        new = self.own(s, known)
        inner = self.body(s.body, dict(known))
        if isinstance(bounds, For) and isinstance(new, For):
            return replace(bounds, until=new.until, body=inner)
        return replace(new, body=inner) if isinstance(new, While) else new

    def branch(self, s: If, known: Known) -> Stmt:
        new = self.own(s, known)
        then, orelse = self.body(s.then, dict(known)), self.body(s.orelse, dict(known))
        _forget(known, (*s.then, *s.orelse))
        return replace(new, then=then, orelse=orelse) if isinstance(new, If) else new


def _forget(known: Known, body: Body) -> None:
    for b in stored(body):
        known.pop(b, None)
