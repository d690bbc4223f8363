"""Scalar replacement: an array element that statements in a row keep using lives in a variable while they run.

A buffer whose accesses in a block, loops in it included, all have the same, unchanging indices is loaded before the
first and stored after the last of them. And a local array of which each access has constant indices becomes a variable
for each element.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gemel.semantics.ir import (
    Alloc,
    Apply,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
    in_order,
)
from gemel.semantics.traverse import (
    Body,
    accesses,
    exprs_of,
    loaded,
    map_blocks,
    map_body,
    statements,
    stored,
    subexprs,
)

MAX_ELEMENTS = 1024


def scalarize(kernel: Kernel) -> Kernel:
    """The kernel with loop-invariant elements and constantly indexed arrays in variables."""
    given = {p for p in kernel.params if isinstance(p, Buffer)}
    return replace(kernel, body=_split_arrays(replace(kernel, body=_elements(kernel.body, given))))


# ------------------------------------------------------------------------------------------------------ whole arrays


def _split_arrays(kernel: Kernel) -> Body:
    arrays = {
        s.buffer
        for s in statements(kernel.body)
        if isinstance(s, Alloc) and s.buffer.rank and s.buffer.data is None and _small(s.buffer)
    }
    for s in statements(kernel.body):
        for b, indices in accesses(s):
            if not all(isinstance(i, Const) for i in indices):
                arrays.discard(b)
    if not arrays:
        return kernel.body
    cells: dict[tuple[Buffer, tuple[int, ...]], Buffer] = {}
    split = _Splitter(arrays, cells)
    body = map_body(kernel.body, split.expr, split.stmt)
    return map_body(body, stmt=split.declare)


def _small(b: Buffer) -> bool:
    size = 1
    for d in b.shape:
        if not isinstance(d, Const):
            return False
        size *= int(d.value)
    return size <= MAX_ELEMENTS


@dataclass
class _Splitter:
    arrays: set[Buffer]
    cells: dict[tuple[Buffer, tuple[int, ...]], Buffer]

    def cell(self, b: Buffer, indices: tuple[Expr, ...]) -> Buffer:
        where = tuple(int(i.value) for i in indices if isinstance(i, Const))
        if (b, where) not in self.cells:
            hint = "_".join([b.hint, *map(str, where)])
            self.cells[b, where] = Buffer(hint, b.dtype, (), b.span)
        return self.cells[b, where]

    def expr(self, e: Expr) -> Expr:
        if isinstance(e, Load) and e.buffer in self.arrays:
            return Load(self.cell(e.buffer, e.indices), (), e.span)
        return e

    def stmt(self, s: Stmt) -> Stmt:
        if isinstance(s, Store | Reduce) and s.buffer in self.arrays:
            return replace(s, buffer=self.cell(s.buffer, s.indices), indices=())
        return s

    def declare(self, s: Stmt) -> Stmt | Body:
        if isinstance(s, Alloc) and s.buffer in self.arrays:
            return tuple(Alloc(cell, s.span) for (b, _), cell in self.cells.items() if b is s.buffer)
        return s


# ------------------------------------------------------------------------------------------------------ single elements


def _elements(body: Body, given: set[Buffer]) -> Body:
    """The block, and those in it, with elements that statements in a row keep using in variables."""
    for b in sorted(stored(body), key=lambda b: b.hint):
        if b.rank:
            body = _with_cell(body, b, b in given)
    return tuple(_inside(s, given) for s in body)


def _inside(s: Stmt, given: set[Buffer]) -> Stmt:
    """The statement with its blocks done: a loop that loads, accumulates and stores runs in order."""
    new = map_blocks(s, lambda inner: _elements(inner, given))
    if isinstance(new, For) and in_order(new.kind) is not new.kind and _size(new) != _size(s):
        return replace(new, kind=in_order(new.kind))
    return new


def _size(s: Stmt) -> int:
    return sum(1 for _ in statements((s,)))


def _with_cell(body: Body, b: Buffer, given: bool) -> Body:
    """The block with the one element of `b` that it uses in a variable, if it is one and is certainly used."""
    users = [n for n, s in enumerate(body) if any(buffer is b for x in statements((s,)) for buffer, _ in accesses(x))]
    if not users:
        return body
    part = body[users[0] : users[-1] + 1]
    place, fresh = _place(b, part), _stores_first(part[0], b)
    if place is None or not (given or fresh or _loads_first(part[0], b)):
        return body
    span = part[0].span
    cell = Buffer(b.hint, b.dtype, (), span)
    before: Body = (Alloc(cell, span),) if fresh else (Alloc(cell, span), Store(cell, (), Load(b, place, span), span))
    after = Store(b, place, Load(cell, (), span), span)
    return (*body[: users[0]], *before, *_in_cell(part, b, cell), after, *body[users[-1] + 1 :])


def _place(b: Buffer, part: Body) -> tuple[Expr, ...] | None:
    """The one place of `b` that statements use, where its indices don't change and some use always happens."""
    found = [indices for s in statements(part) for buffer, indices in accesses(s) if buffer is b]
    first = found[0]
    inside = {v for s in statements(part) for v in _bound(s)}
    written = stored(part)
    steady = not any(_changes(i, inside, written) for i in first)
    often = len(found) > 1 or not any(s.buffer is b for s in part if isinstance(s, Store))
    certain = any(_certain(s, b) for s in part)
    return first if steady and often and certain and all(_equal(first, other) for other in found) else None


def _bound(s: Stmt) -> tuple[Var, ...]:
    return (s.var,) if isinstance(s, Let | For) else ()


def _equal(a: tuple[Expr, ...], b: tuple[Expr, ...]) -> bool:
    return all(map(_same, a, b))


def _certain(s: Stmt, b: Buffer) -> bool:
    """Whether a statement uses `b` each time that it runs."""
    if isinstance(s, For):
        return _runs(s) and s.until is None and any(_certain(x, b) for x in s.body)
    return not isinstance(s, If | While) and any(buffer is b for buffer, _ in accesses(s))


def _stores_first(s: Stmt, b: Buffer) -> bool:
    return isinstance(s, Store) and s.buffer is b and not _loads(s, b)


def _loads_first(s: Stmt, b: Buffer) -> bool:
    """Whether the first use in a statement is a load that always happens: the element has a value then."""
    if isinstance(s, For):
        first = next((x for x in s.body if b in loaded((x,)) | stored((x,))), None)
        return first is not None and _runs(s) and s.until is None and _loads_first(first, b)
    return not isinstance(s, If | While) and _loads(s, b)


def _loads(s: Stmt, b: Buffer) -> bool:
    """Whether a statement itself loads from a buffer."""
    read = any(isinstance(x, Load) and x.buffer is b for e in exprs_of(s) for x in subexprs(e))
    return read or (isinstance(s, Reduce) and s.buffer is b)


def _runs(s: For) -> bool:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)):
        return False
    return bool(s.step.value) and len(range(int(s.lo.value), int(s.hi.value), int(s.step.value))) > 0


def _changes(e: Expr, inside: set[Var], written: set[Buffer]) -> bool:
    return any(
        (isinstance(x, Ref) and x.var in inside) or (isinstance(x, Load) and x.buffer in written) for x in subexprs(e)
    )


def _same(a: Expr, b: Expr) -> bool:
    match a, b:
        case Const(), Const():
            return a.value == b.value
        case Ref(), Ref():
            return a.var is b.var
        case Load(), Load():
            return a.buffer is b.buffer and all(map(_same, a.indices, b.indices))
        case Apply(), Apply():
            return a.op is b.op and a.dtype == b.dtype and all(map(_same, a.args, b.args))
        case _:
            return False


def _in_cell(body: Body, b: Buffer, cell: Buffer) -> Body:
    def expr(e: Expr) -> Expr:
        return Load(cell, (), e.span) if isinstance(e, Load) and e.buffer is b else e

    def stmt(s: Stmt) -> Stmt:
        if isinstance(s, Store | Reduce) and s.buffer is b:
            return replace(s, buffer=cell, indices=())
        return s

    return map_body(body, expr, stmt)
