"""Scalar replacement: an array element that statements in a row keep using lives in a variable while they run.

The accesses of a buffer in a block, loops in it included, that all go to a few unchanging, certainly different places
become accesses of a variable for each, which is loaded before the first and stored after the last of them. And a local
array of which each access has constant indices becomes a variable for each element.
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
from gemel.semantics.linear import sum_of
from gemel.semantics.traverse import (
    Body,
    accesses,
    exprs_of,
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

MANY = 256
"""Elements of an array that get variables in one block."""


@dataclass(frozen=True)
class _Element:
    """One element of an array."""

    buffer: Buffer
    place: tuple[Expr, ...]

    def meets(self, b: Buffer, indices: tuple[Expr, ...]) -> bool:
        """Whether an access is one of this element, where others that are used are certainly others."""
        return b is self.buffer and all(map(same, self.place, indices))


def _elements(body: Body, given: set[Buffer]) -> Body:
    """The block, and those in it, with elements that statements in a row keep using in variables."""
    for b in sorted(stored(body), key=lambda b: b.hint):
        for e in _apart(body, b) if b.rank else ():
            users = _users(body, e)  # none where an index of it went into a variable
            body = _with_cell(body, users, e, b in given) if users else body
    return tuple(_inside(s, given) for s in body)


def _inside(s: Stmt, given: set[Buffer]) -> Stmt:
    """The statement with its blocks done: a loop that loads, accumulates and stores runs in order."""
    new = map_blocks(s, lambda inner: _elements(inner, given))
    if isinstance(new, For) and in_order(new.kind) is not new.kind and _size(new) != _size(s):
        return replace(new, kind=in_order(new.kind))
    return new


def _size(s: Stmt) -> int:
    return sum(1 for _ in statements((s,)))


def _apart(body: Body, b: Buffer) -> list[_Element]:
    """The elements of `b` that a block uses, if their places don't change in it and are certainly different ones."""
    users = [n for n, s in enumerate(body) if any(buffer is b for x in statements((s,)) for buffer, _ in accesses(x))]
    part = body[users[0] : users[-1] + 1] if users else ()
    inside = {v for s in statements(part) for v in _bound(s)}
    written = stored(part)
    found: list[_Element] = []
    for s in statements(part):
        for buffer, indices in accesses(s):
            if buffer is not b or any(e.meets(buffer, indices) for e in found):
                continue
            steady = not any(changes(i, inside, written) for i in indices)
            if not steady or len(found) == MANY or not all(_different(e.place, indices) for e in found):
                return []
            found.append(_Element(b, indices))
    return found


def _users(body: Body, e: _Element) -> list[int]:
    """Where statements use an element."""
    return [n for n, s in enumerate(body) if any(e.meets(*a) for x in statements((s,)) for a in accesses(x))]


def _with_cell(body: Body, users: list[int], e: _Element, given: bool) -> Body:
    """The block with an element in a variable, if it is used often and certainly."""
    part = body[users[0] : users[-1] + 1]
    fresh = _stores_first(part[0], e)
    if not _worthwhile(part, e) or not (given or fresh or _loads_first(part[0], e)):
        return body
    span = part[0].span
    cell = Buffer(e.buffer.hint, e.buffer.dtype, (), span)
    load = Load(e.buffer, e.place, span)
    before: Body = (Alloc(cell, span),) if fresh else (Alloc(cell, span), Store(cell, (), load, span))
    after = () if not _written(part, e) else (Store(e.buffer, e.place, Load(cell, (), span), span),)
    return (*body[: users[0]], *before, *_in_cell(part, e, cell), *after, *body[users[-1] + 1 :])


def _written(part: Body, e: _Element) -> bool:
    return any(_stores(s, e) for s in statements(part))


def _worthwhile(part: Body, e: _Element) -> bool:
    """Whether statements use an element more than once, or accumulate into it, and some use always happens."""
    count = sum(e.meets(*a) for s in statements(part) for a in accesses(s))
    often = count > 1 or not any(_stores(s, e) for s in part if isinstance(s, Store))
    return often and any(_certain(s, e) for s in part)


def _bound(s: Stmt) -> tuple[Var, ...]:
    return (s.var,) if isinstance(s, Let | For) else ()


def _certain(s: Stmt, e: _Element) -> bool:
    """Whether a statement uses an element each time that it runs."""
    if isinstance(s, For):
        return _runs(s) and s.until is None and any(_certain(x, e) for x in s.body)
    return not isinstance(s, If | While) and any(e.meets(*a) for a in accesses(s))


def _stores(s: Stmt, e: _Element) -> bool:
    return isinstance(s, Store | Reduce) and e.meets(s.buffer, s.indices)


def _stores_first(s: Stmt, e: _Element) -> bool:
    return isinstance(s, Store) and _stores(s, e) and not _loads(s, e)


def _loads_first(s: Stmt, e: _Element) -> bool:
    """Whether the first use in a statement is a load that always happens: the element has a value then."""
    if isinstance(s, For):
        first = next((x for x in s.body if any(e.meets(*a) for y in statements((x,)) for a in accesses(y))), None)
        return first is not None and _runs(s) and s.until is None and _loads_first(first, e)
    return not isinstance(s, If | While) and _loads(s, e)


def _loads(s: Stmt, e: _Element) -> bool:
    """Whether a statement itself loads an element."""
    read = any(isinstance(x, Load) and e.meets(x.buffer, x.indices) for v in exprs_of(s) for x in subexprs(v))
    return read or (isinstance(s, Reduce) and _stores(s, e))


def _runs(s: For) -> bool:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)):
        return False
    return bool(s.step.value) and len(range(int(s.lo.value), int(s.hi.value), int(s.step.value))) > 0


def changes(e: Expr, inside: set[Var], written: set[Buffer]) -> bool:
    return any(
        (isinstance(x, Ref) and x.var in inside) or (isinstance(x, Load) and x.buffer in written) for x in subexprs(e)
    )


def same(a: Expr, b: Expr) -> bool:
    f, g = sum_of(a), sum_of(b)
    if f is not None and g is not None:
        return f == g
    match a, b:
        case Const(), Const():
            return a.value == b.value and a.dtype == b.dtype
        case Ref(), Ref():
            return a.var is b.var
        case Load(), Load():
            return a.buffer is b.buffer and all(map(same, a.indices, b.indices))
        case Apply(), Apply():
            return a.op is b.op and a.dtype == b.dtype and all(map(same, a.args, b.args))
        case _:
            return False


def _different(a: tuple[Expr, ...], b: tuple[Expr, ...]) -> bool:
    """Whether two places are never one: their indices differ by a number along some axis."""
    for f, g in zip(map(sum_of, a), map(sum_of, b), strict=True):
        if f is not None and g is not None and f.terms == g.terms and f.constant != g.constant:
            return True
    return False


def _in_cell(body: Body, e: _Element, cell: Buffer) -> Body:
    def expr(x: Expr) -> Expr:
        return Load(cell, (), x.span) if isinstance(x, Load) and e.meets(x.buffer, x.indices) else x

    def stmt(s: Stmt) -> Stmt:
        return replace(s, buffer=cell, indices=()) if isinstance(s, Store | Reduce) and _stores(s, e) else s

    return map_body(body, expr, stmt)
