"""What depends on constants alone is computed once, when the code is loaded: the packed form of constant weights, say.

A local array is steady where all statements that store to it load from tables and steady arrays only. The pass `once`
brings steady arrays out of the loops around them, with an axis for each loop that their elements depend on; code
generation makes a function of its own of the steady statements at the top of a kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import prod

from gemel.codegen.places import element_bytes, known_shape
from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Alloc, Buffer, Expr, For, If, Kernel, Let, Load, Reduce, Ref, Stmt, Store, Var, View
from gemel.semantics.traverse import Body, Copier, all_exprs, loaded, map_body, statements, stored

GROWS = 2
"""How many times as large as the tables that it is made of an array may be."""

ALWAYS, NEVER = 1 << 16, 1 << 28
"""Bytes up to which an array may be larger than that, and from which on it stays where it is."""


def once(kernel: Kernel) -> Kernel:
    """The kernel with steady local arrays at the top of it."""
    if not any(isinstance(s, Alloc) and s.buffer.data is not None for s in kernel.body):
        return kernel
    work = _Work(set(tables(kernel.body)))
    return replace(kernel, body=work.top(kernel.body))


def tables(body: Body) -> Iterator[Buffer]:
    """The tables among a block's own statements."""
    return (s.buffer for s in body if isinstance(s, Alloc) and s.buffer.data is not None)


def steady(body: Body) -> set[Stmt]:
    """The statements of a block that make and fill its steady arrays."""
    known, found = set(tables(body)), set[Stmt]()
    for n, s in enumerate(body):
        fills = _fills(s, body[n + 1 :], known)
        if isinstance(s, Alloc) and fills and not free(fills):
            known.add(s.buffer)
            found |= {s, *fills}
    return found


def _fills(s: Stmt, rest: Body, known: set[Buffer]) -> list[Stmt]:
    """The statements behind an `Alloc` that fill its array from constants; none where something else is in the way."""
    if not isinstance(s, Alloc) or s.buffer.data is not None or not s.buffer.rank or known_shape(s.buffer) is None:
        return []
    fills = [t for t in rest if s.buffer in stored([t])]
    uses = [t for t in rest if t not in fills and s.buffer in loaded([t])]
    late = fills and any(rest.index(t) < rest.index(fills[-1]) for t in uses)
    return fills if not late and all(_plain(t, known | {s.buffer}, s.buffer) for t in fills) else []


def _plain(s: Stmt, known: set[Buffer], own: Buffer) -> bool:
    """Whether a statement only computes elements of `own` from known arrays."""
    every = list(statements([s]))
    kinds = all(isinstance(t, For | If | Let | Store | Reduce) for t in every)
    return kinds and loaded(every) <= known and stored(every) == {own}


def free(body: Iterable[Stmt]) -> set[Var]:
    """The variables that a block uses and doesn't bind."""
    every = list(statements(body))
    used = {e.var for e in all_exprs(every) if isinstance(e, Ref)}
    return used - {v for s in every for v in _binds(s)}


def _binds(s: Stmt) -> Iterator[Var]:
    match s:
        case Let():
            yield s.var
        case For():
            yield s.var
            yield from (v for c in s.carry for v in (c.var, c.result))
        case If():
            yield from (m.var for m in s.merges)
        case _:
            pass


@dataclass
class _Work:
    """The arrays that are known to be steady, and what has been brought out so far."""

    known: set[Buffer]
    out: list[Stmt] = field(default_factory=list)

    def top(self, body: Body) -> Body:
        made: list[Stmt] = []
        for n, s in enumerate(body):
            if isinstance(s, Alloc):
                fills = _fills(s, body[n + 1 :], self.known)
                self.known |= {s.buffer} if fills and not free(fills) else set()
            inside = self.statement(s, [])
            made += [*self.out, inside]
            self.out = []
        return tuple(made)

    def statement(self, s: Stmt, around: list[For]) -> Stmt:
        if not isinstance(s, For) or _trips(s) is None:
            return s
        body = self.block(s.body, [*around, s])
        return s if body is s.body else replace(s, body=body)

    def block(self, body: Body, around: list[For]) -> Body:
        n = 0
        while n < len(body):
            s, rest = body[n], body[n + 1 :]
            fills = _fills(s, rest, self.known)
            loops = _needed(fills, around)
            if isinstance(s, Alloc) and fills and loops is not None and self.worth(s.buffer, fills, loops):
                body = (*body[:n], *self.bring_out(s, fills, rest, loops))
            else:
                body = (*body[:n], self.statement(s, around), *rest)
                n += 1
        return body

    def worth(self, b: Buffer, fills: list[Stmt], loops: list[For]) -> bool:
        size = _bytes(b) * prod(_trips(s) or 0 for s in loops)
        made_of = sum(_bytes(x) for x in loaded(fills) - {b})
        return size < NEVER and size <= max(ALWAYS, GROWS * made_of)

    def bring_out(self, s: Alloc, fills: list[Stmt], rest: Body, loops: list[For]) -> Body:
        """Fills an array for all iterations of some loops before them; gives what is left of the statements."""
        b, trips = s.buffer, [_trips(loop) or 0 for loop in loops]
        whole = Buffer(b.hint, b.dtype, (*(build.index(n, b.span) for n in trips), *b.shape), b.span)
        self.known.add(whole)
        self.out += [Alloc(whole, s.span, s.filled), *_filled(b, whole, fills, loops)]
        at = tuple(Ref(loop.var, b.span) for loop in loops)

        def moved(e: Expr) -> Expr:
            return Load(whole, (*at, *e.indices), e.span) if isinstance(e, Load) and e.buffer is b else e

        return map_body(tuple(t for t in rest if t not in fills), moved)


def _filled(b: Buffer, whole: Buffer, fills: list[Stmt], loops: list[For]) -> Body:
    """The statements that fill `b`, filling all of `whole`."""
    outer = [Var(loop.var.hint, loop.var.dtype, loop.var.span) for loop in loops]
    own = tuple(Var(f"x{n}", build.index(0).dtype, b.span) for n in range(b.rank))
    place = tuple(Ref(v, b.span) for v in (*outer, *own))
    copier = Copier({s.var: Ref(v, s.span) for s, v in zip(loops, outer, strict=True)})
    copier.views[b] = View(whole, own, place, b.shape, b.span)
    body = copier.body(tuple(fills))
    for s, v in reversed(list(zip(loops, outer, strict=True))):
        body = (For(v, s.lo, s.hi, s.step, s.kind, body, s.span),)
    return body


def _needed(fills: list[Stmt], around: list[For]) -> list[For] | None:
    """The loops around whose variables some statements use; None where they use something else."""
    used = free(fills)
    return [s for s in around if s.var in used] if used <= {s.var for s in around} else None


def _trips(s: For) -> int | None:
    """The iterations of a loop from 0 that always runs to its end, at least once."""
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return hi if lo == 0 and step == 1 and hi and hi > 0 and s.until is None and not s.carry else None


def _bytes(b: Buffer) -> int:
    return prod(known_shape(b) or (0,)) * element_bytes(b.dtype)
