"""Scalar replacement: an array element that statements in a row keep using lives in a variable while they run.

The accesses of a buffer in a block, loops in it included, that all go to a few unchanging, certainly different places
become accesses of a variable for each, which is loaded before the first and stored after the last of them. And a local
array of which each access has constant indices becomes a variable for each element.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

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
from gemel.semantics.linear import Sum, sum_of
from gemel.semantics.traverse import (
    Body,
    accesses,
    blocks_of,
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

Place = tuple[Expr, ...]
Sums = tuple["Sum | None", ...]


@dataclass
class _Elements:
    """The elements of an array that a block uses, by number; two with the same number are certainly one."""

    buffer: Buffer
    places: list[Place] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)
    known: dict[object, int] = field(default_factory=dict)
    others: list[int] = field(default_factory=list)
    """Those at a place that is no sum."""

    def number(self, b: Buffer, place: Place) -> int | None:
        """The element that an access is of; None for one of another array, or at a place not met before."""
        if b is not self.buffer:
            return None
        key = _key(tuple(map(sum_of, place)))
        if key is not None:
            return self.known.get(key)
        return next((n for n in self.others if all(map(same, self.places[n], place))), None)

    def add(self, place: Place) -> bool:
        """Takes up a new element, if it is certainly another one than all before."""
        sums = tuple(map(sum_of, place))
        if not all(_different(sums, other) for other in self.sums):
            return False
        key, n = _key(sums), len(self.places)
        if key is None:
            self.others.append(n)
        else:
            self.known[key] = n
        self.places.append(place)
        self.sums.append(sums)
        return True


def _key(sums: Sums) -> object:
    """What is equal for equal places; None for one that is no sum."""
    return None if None in sums else tuple((f.constant, frozenset(f.terms.items())) for f in sums if f is not None)


def _different(a: Sums, b: Sums) -> bool:
    """Whether two places are never one: their indices differ by a number along some axis."""
    for f, g in zip(a, b, strict=True):
        if f is not None and g is not None and f.terms == g.terms and f.constant != g.constant:
            return True
    return False


@dataclass
class _Uses:
    """Of the elements of an array, by number: how often a statement uses each, with what is in it, which it stores,
    which it uses each time that it runs, and of which that is a load before any store."""

    count: Counter[int] = field(default_factory=Counter)
    stored: set[int] = field(default_factory=set)
    certain: set[int] = field(default_factory=set)
    loaded_first: set[int] = field(default_factory=set)


def _elements(body: Body, given: set[Buffer]) -> Body:
    """The block, and those in it, with elements that statements in a row keep using in variables."""
    for b in sorted(stored(body), key=lambda b: b.hint):
        if b.rank and (found := _apart(body, b)).places:
            body = _with_cells(body, found, b in given)
    return tuple(_inside(s, given) for s in body)


def _inside(s: Stmt, given: set[Buffer]) -> Stmt:
    """The statement with its blocks done: a loop that loads, accumulates and stores runs in order."""
    new = map_blocks(s, lambda inner: _elements(inner, given))
    if isinstance(new, For) and in_order(new.kind) is not new.kind and _size(new) != _size(s):
        return replace(new, kind=in_order(new.kind))
    return new


def _size(s: Stmt) -> int:
    return sum(1 for _ in statements((s,)))


def _apart(body: Body, b: Buffer) -> _Elements:
    """The elements of `b` that a block uses, if their places don't change in it and are certainly different ones."""
    users = [n for n, s in enumerate(body) if any(buffer is b for x in statements((s,)) for buffer, _ in accesses(x))]
    part = body[users[0] : users[-1] + 1] if users else ()
    inside = {v for s in statements(part) for v in _bound(s)}
    written = stored(part)
    found = _Elements(b)
    for place in _new_places(part, found):
        steady = not any(changes(i, inside, written) for i in place)
        if not steady or len(found.places) == MANY or not found.add(place):
            return _Elements(b)
    return found


def _new_places(body: Body, found: _Elements) -> Iterator[Place]:
    for s in statements(body):
        for b, place in accesses(s):
            if b is found.buffer and found.number(b, place) is None:
                yield place


def _with_cells(body: Body, elements: _Elements, given: bool) -> Body:
    """The block with those elements in variables that are used often and certainly."""
    uses = [_uses(s, elements) for s in body]
    users: list[list[int]] = [[] for _ in elements.places]
    for n, u in enumerate(uses):
        for e in u.count:
            users[e].append(n)
    before: list[list[Stmt]] = [[] for _ in body]
    after: list[list[Stmt]] = [[] for _ in body]
    cells: dict[int, Buffer] = {}
    for e, numbers in enumerate(users):
        first, fresh = numbers[0], _stores_first(body[numbers[0]], uses[numbers[0]], e)
        if not _worthwhile([(body[n], uses[n]) for n in numbers], e):
            continue
        if not (given or fresh or e in uses[first].loaded_first):
            continue
        span, place = body[first].span, elements.places[e]
        cell = cells[e] = Buffer(elements.buffer.hint, elements.buffer.dtype, (), span)
        load = Load(elements.buffer, place, span)
        before[first] += [Alloc(cell, span)] if fresh else [Alloc(cell, span), Store(cell, (), load, span)]
        if any(e in uses[n].stored for n in numbers):
            after[numbers[-1]].insert(0, Store(elements.buffer, place, Load(cell, (), span), span))
    changed = [_in_cells(s, elements, cells) if cells else (s,) for s in body]
    return tuple(s for parts in zip(before, changed, after, strict=True) for part in parts for s in part)


def _uses(s: Stmt, elements: _Elements) -> _Uses:
    if isinstance(s, For | While | If):
        return _nested_uses(s, elements)
    own = Counter(_numbers(accesses(s), elements))
    into = set(_numbers([(s.buffer, s.indices)], elements)) if isinstance(s, Store | Reduce) else set()
    loads = own - Counter(into) if isinstance(s, Store) else own
    return _Uses(own, into, set(own), set(loads))


def _nested_uses(s: For | While | If, elements: _Elements) -> _Uses:
    """Of a statement with blocks; only those of a loop that certainly runs are certain."""
    made = _Uses(Counter(_numbers(accesses(s), elements)))
    certain = isinstance(s, For) and _runs(s) and s.until is None
    met: set[int] = set()
    for block in blocks_of(s):
        for u in (_uses(x, elements) for x in block):
            made.stored |= u.stored
            made.certain |= u.certain if certain else set()
            made.loaded_first |= u.loaded_first - met if certain else set()
            met |= u.count.keys()
            made.count += u.count
    return made


def _numbers(found: Iterable[tuple[Buffer, Place]], elements: _Elements) -> Iterator[int]:
    return (n for a in found if (n := elements.number(*a)) is not None)


def _worthwhile(users: Sequence[tuple[Stmt, _Uses]], e: int) -> bool:
    """Whether statements use an element more than once, or accumulate into it, and some use always happens."""
    count = sum(u.count[e] for _, u in users)
    often = count > 1 or not any(isinstance(s, Store) and e in u.stored for s, u in users)
    return often and any(e in u.certain for _, u in users)


def _stores_first(s: Stmt, u: _Uses, e: int) -> bool:
    return isinstance(s, Store) and e in u.stored and e not in u.loaded_first


def _in_cells(s: Stmt, elements: _Elements, cells: dict[int, Buffer]) -> Body:
    """A statement whose accesses of elements are those of their cells."""

    def cell(b: Buffer, place: Place) -> Buffer | None:
        number = elements.number(b, place)
        return None if number is None else cells.get(number)

    def expr(x: Expr) -> Expr:
        found = cell(x.buffer, x.indices) if isinstance(x, Load) else None
        return x if found is None else Load(found, (), x.span)

    def stmt(s: Stmt) -> Stmt:
        if not isinstance(s, Store | Reduce):
            return s
        found = cell(s.buffer, s.indices)
        return s if found is None else replace(s, buffer=found, indices=())

    return map_body((s,), expr, stmt)


def _bound(s: Stmt) -> tuple[Var, ...]:
    return (s.var,) if isinstance(s, Let | For) else ()


def _runs(s: For) -> bool:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)):
        return False
    return bool(s.step.value) and len(range(int(s.lo.value), int(s.hi.value), int(s.step.value))) > 0


def changes(e: Expr, inside: set[Var], written: set[Buffer]) -> bool:
    return any(
        (isinstance(x, Ref) and x.var in inside) or (isinstance(x, Load) and x.buffer in written) for x in subexprs(e)
    )


def same(a: Expr, b: Expr) -> bool:
    return place(a) == place(b)


def place(e: Expr) -> Hashable:
    """Equal for two expressions that are the same, up to how a sum is written."""
    found = sum_of(e)
    if found is not None:
        return found.key
    match e:
        case Const():
            return e.value, e.dtype
        case Ref():
            return e.var
        case Load():
            return e.buffer, *map(place, e.indices)
        case Apply():
            return e.op, e.dtype, *map(place, e.args)
