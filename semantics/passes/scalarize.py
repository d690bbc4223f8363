"""Scalar replacement: an array element that a loop keeps using lives in a variable while the loop runs.

In an innermost loop that runs at least once, a buffer whose accesses all have the same, unchanging indices is
loaded before the loop and stored after it. And a local array of which each access has constant indices becomes a
variable for each element.
"""

from __future__ import annotations

from collections.abc import Iterator
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
)
from gemel.semantics.traverse import (
    Body,
    exprs_of,
    kernel_body,
    map_body,
    statements,
    stored,
    subexprs,
)

MAX_ELEMENTS = 1024


def scalarize(kernel: Kernel) -> Kernel:
    """The kernel with loop-invariant elements and constantly indexed arrays in variables."""
    body = map_body(kernel.body, stmt=lambda s: _loop(s) if isinstance(s, For) else s)
    return replace(kernel, body=_split_arrays(replace(kernel, body=body)))


# ------------------------------------------------------------------------------------------------------ whole arrays


def _split_arrays(kernel: Kernel) -> Body:
    arrays = {
        s.buffer
        for s in statements(kernel.body)
        if isinstance(s, Alloc) and s.buffer.rank and s.buffer.data is None and _small(s.buffer)
    }
    for s in statements(kernel_body(kernel)):
        for b, indices in _accesses(s):
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


# ------------------------------------------------------------------------------------------------------------- loops


def _loop(s: For) -> Stmt | Body:
    if any(isinstance(x, For | While) for x in statements(s.body)) or s.until is not None or not _runs(s):
        return s
    before: list[Stmt] = []
    after: list[Stmt] = []
    for b in stored(s.body):
        place = _place(b, s) if b.rank else None
        if place is None:
            continue
        cell = Buffer(b.hint, b.dtype, (), s.span)
        before += [Alloc(cell, s.span), Store(cell, (), Load(b, place, s.span), s.span)]
        after.append(Store(b, place, Load(cell, (), s.span), s.span))
        s = replace(s, body=_in_cell(s.body, b, cell))
    return (*before, s, *after) if before else s


def _runs(s: For) -> bool:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)):
        return False
    return bool(s.step.value) and len(range(int(s.lo.value), int(s.hi.value), int(s.step.value))) > 0


def _accesses(s: Stmt) -> Iterator[tuple[Buffer, tuple[Expr, ...]]]:
    for e in exprs_of(s):
        yield from ((x.buffer, x.indices) for x in subexprs(e) if isinstance(x, Load))
    if isinstance(s, Store | Reduce):
        yield s.buffer, s.indices


def _place(b: Buffer, loop: For) -> tuple[Expr, ...] | None:
    """The one place of `b` that a loop accesses, where its indices don't change and some access always happens."""
    found = [indices for s in statements(loop.body) for buffer, indices in _accesses(s) if buffer is b]
    first = found[0]
    inside = {loop.var, *(s.var for s in statements(loop.body) if isinstance(s, Let))}
    written = stored(loop.body)
    steady = all(not _changes(i, inside, written) for i in first)
    always = any(buffer is b for s in loop.body if not isinstance(s, If) for buffer, _ in _certain(s))
    same = all(all(map(_same, first, other)) for other in found)
    return first if steady and always and same else None


def _certain(s: Stmt) -> Iterator[tuple[Buffer, tuple[Expr, ...]]]:
    if isinstance(s, Store | Reduce):
        yield s.buffer, s.indices


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
