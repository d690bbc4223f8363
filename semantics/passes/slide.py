"""Stencils read each element of an array once: windows slide in registers, rows wait in line buffers.

In a perfect nest whose innermost loops are `i` and `j`, loads `x[i + d, j + e]` with several constant offsets come from
a window: the nest also runs over the rows and columns before, reads the element that is the last one of the window, and
moves the window along. A row that is needed again waits in an array of one row. Loads of elements that the nest doesn't
change, at places that don't change either, are done before it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, FloatType
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
    Ref,
    Stmt,
    Store,
    Var,
    While,
    in_order,
)
from gemel.semantics.linear import Sum, sum_of
from gemel.semantics.traverse import Body, all_exprs, exprs_of, map_blocks, map_body, statements, stored

MOST_WORDS = 4096
"""Words of the line buffers of one array."""

MOST_KEPT = 64
"""Elements of one array that are loaded before a nest, and places of one window."""

Offset = tuple[int, int]


def slide(kernel: Kernel) -> Kernel:
    """The kernel with windows where a nest loads several elements of a parameter that it doesn't store to."""
    given = {p for p in (*kernel.params, *kernel.results) if isinstance(p, Buffer) and p.rank and not p.banks}
    return replace(kernel, body=_block(kernel.body, given))


def _block(body: Body, given: set[Buffer]) -> Body:
    return tuple(x for s in body for x in _slid(s, given))


def _slid(s: Stmt, given: set[Buffer]) -> Body:
    nest = _nest(s)
    if nest is None:
        return (map_blocks(s, lambda body: _block(body, given)),)
    body = nest[-1].body
    loads = _loads(body, given - stored(body))
    sure = {id(x) for s in body if not isinstance(s, If) for e in exprs_of(s) for x in _eager(e)}
    kept = {b: _steady(found, sure) for b, found in loads.items()}
    windows = [w for b, found in loads.items() if (w := _window(b, found, nest)) and _inside(w, nest, sure)]
    before: list[Stmt] = []
    values: dict[tuple[Buffer, tuple[int, ...]], Expr] = {}
    for b, places in kept.items():
        if len(loads[b]) > 1:
            before += _before(b, places, values)
    made = _moved(nest, windows, _with_values(body, values)) if _pays(nest, windows) else None
    if made is None and not before:
        return (s,)
    return (*before, *(made or (_around(nest, _with_values(body, values)),)))


# ---------------------------------------------------------------------------------------------------------- the nest


def _nest(s: Stmt) -> list[For] | None:
    """The perfect nest of loops with constant bounds that step by 1 which a statement is; None for others."""
    if not isinstance(s, For) or not _counts(s):
        return None
    nest = [s]
    while len(nest[-1].body) == 1 and isinstance(inner := nest[-1].body[0], For) and _counts(inner):
        nest.append(inner)
    return None if any(isinstance(x, For | While) for x in statements(nest[-1].body)) else nest


def _counts(s: For) -> bool:
    lo, hi = value_of(s.lo, {}), value_of(s.hi, {})
    steps = isinstance(s.step, Const) and s.step.value == 1
    return steps and lo is not None and hi is not None and lo < hi and s.until is None and not s.carry


def _around(nest: list[For], body: Body) -> For:
    for s in reversed(nest):
        body = (replace(s, body=body),)
    (whole,) = body
    if not isinstance(whole, For):
        raise TypeError("no loops")
    return whole


def _bounds(s: For) -> tuple[int, int]:
    return value_of(s.lo, {}) or 0, value_of(s.hi, {}) or 0


def _trips(s: For) -> int:
    lo, hi = _bounds(s)
    return hi - lo


# ------------------------------------------------------------------------------------------------------------- loads


def _loads(body: Body, arrays: set[Buffer]) -> dict[Buffer, list[Load]]:
    """The different loads of each array."""
    found: dict[Buffer, list[Load]] = {}
    known: set[Hashable] = set()
    for e in all_exprs(body):
        if isinstance(e, Load) and e.buffer in arrays:
            sums = _sums(e)
            place = None if sums is None else (e.buffer, *(s.key for s in sums))
            if place is None or place not in known:
                found.setdefault(e.buffer, []).append(e)
            known.add(place)
    return found


def _sums(x: Load) -> list[Sum] | None:
    sums = [sum_of(i) for i in x.indices]
    known = [s for s in sums if s is not None]
    return known if len(known) == len(sums) else None


def _steady(found: list[Load], sure: set[int]) -> list[Load]:
    """Loads at constant places that each iteration does for sure."""
    places = [x for x in found if id(x) in sure and all(isinstance(i, Const) for i in x.indices)]
    return places if 1 < len(places) <= MOST_KEPT else []


def _eager(e: Expr) -> Iterator[Expr]:
    inner = e.indices if isinstance(e, Load) else e.args[: 1 if e.op.lazy else None] if isinstance(e, Apply) else ()
    for x in inner:
        yield from _eager(x)
    yield e


def _key(x: Load) -> tuple[Buffer, tuple[int, ...]] | None:
    if not all(isinstance(i, Const) for i in x.indices):
        return None
    return x.buffer, tuple(value_of(i, {}) or 0 for i in x.indices)


def _before(b: Buffer, places: list[Load], values: dict[tuple[Buffer, tuple[int, ...]], Expr]) -> Iterator[Stmt]:
    for x in places:
        v = Var(b.hint, b.dtype, x.span)
        key = _key(x)
        if key is not None:
            values[key] = Ref(v, x.span)
            yield Let(v, x, x.span)


def _with_values(body: Body, values: dict[tuple[Buffer, tuple[int, ...]], Expr]) -> Body:
    def expr(e: Expr) -> Expr:
        key = _key(e) if isinstance(e, Load) else None
        return e if key is None else values.get(key, e)

    return map_body(body, expr) if values else body


# ----------------------------------------------------------------------------------------------------------- windows


@dataclass
class _Window:
    """What a nest loads of an array: offsets from (i, j), the greatest ones, and how far back the others are."""

    buffer: Buffer
    loads: dict[Offset, Load]
    last: Offset
    extent: Offset
    axes: tuple[Var, Var]
    cells: dict[Offset, Buffer] = field(default_factory=dict)
    lines: list[Buffer] = field(default_factory=list)

    @property
    def newest(self) -> Load:
        """The load of the last element, shifted from any of the loads."""
        (d, e), x = next(iter(self.loads.items()))
        return replace(x, indices=tuple(self.shifted(i, d, e) for i in x.indices))

    def shifted(self, index: Expr, d: int, e: int) -> Expr:
        found = sum_of(index)
        more = {self.axes[0]: self.last[0] - d} | {self.axes[1]: self.last[1] - e}  # one loop: the columns count
        change = sum(more[v] for v in (found.terms if found else {}) if v in more)
        return build.add(index, build.index(change, index.span), index.span) if change else index


def _window(b: Buffer, found: list[Load], nest: list[For]) -> _Window | None:
    """The window of an array in the innermost loops; None where its loads are no such."""
    rows = nest[-2].var if len(nest) > 1 else None
    columns = nest[-1].var
    offsets: dict[Offset, Load] = {}
    rest = None
    for x in found:
        place = _offset(x, rows, columns)
        if place is None or (rest is not None and place[0] != rest):
            return None
        rest = place[0]
        offsets[place[1]] = x
    if len(offsets) < 2:
        return None
    last = max(d for d, _ in offsets), max(e for _, e in offsets)
    extent = last[0] - min(d for d, _ in offsets), last[1] - min(e for _, e in offsets)
    fits = (extent[0] + 1) * (extent[1] + 1) <= MOST_KEPT and extent[0] * (_trips(nest[-1]) + extent[1]) <= MOST_WORDS
    return _Window(b, offsets, last, extent, (rows or columns, columns)) if fits else None


def _inside(w: _Window, nest: list[For], sure: set[int]) -> bool:
    """Whether all that the window reads is in range: where each load is done for sure, since these are."""
    if all(id(x) in sure for x in w.loads.values()):
        return True
    x = next(iter(w.loads.values()))
    return all(_in_range(w, s, size, nest) for s, size in zip(_sums(x) or (), w.buffer.shape, strict=True))


def _in_range(w: _Window, index: Sum, size: Expr, nest: list[For]) -> bool:
    """Whether an index is in range for all that the window reads along its axis."""
    most = value_of(size, {}) or 0
    if not index.terms:
        return 0 <= index.constant < most
    own = next((n for n, v in ((1, w.axes[1]), (0, w.axes[0])) if index.terms == {v: 1}), None)
    if own is None:
        return False
    lo, hi = _bounds(next(s for s in nest if s.var is w.axes[own]))
    return lo + w.last[own] - w.extent[own] >= 0 and hi - 1 + w.last[own] < most


def _offset(x: Load, rows: Var | None, columns: Var) -> tuple[object, Offset] | None:
    """What a load's place is without the offset, and the offset; the columns are one index's, so may the rows be."""
    sums = _sums(x)
    if sums is None:
        return None
    offset = {columns: 0, rows: 0}
    rest = []
    for s in sums:
        own = [v for v in (columns, rows) if v is not None and v in s.terms]
        if len(own) > 1 or any(s.terms[v] != 1 for v in own):
            return None
        if own:
            offset[own[0]] = s.constant
        rest.append((tuple(sorted((id(v), c) for v, c in s.terms.items())), 0 if own else s.constant))
    if sum(columns in s.terms for s in sums) != 1 or (rows and sum(rows in s.terms for s in sums) > 1):
        return None
    if rows is None or not any(rows in s.terms for s in sums):
        return tuple(rest), (0, offset[columns])
    return tuple(rest), (offset[rows], offset[columns])


def _pays(nest: list[For], windows: list[_Window]) -> bool:
    """Whether the rows and columns more cost less than the loads did."""
    if not windows:
        return False
    rows, columns = _more(windows)
    outer = _trips(nest[-2]) if len(nest) > 1 else 1
    loads = max(len(w.loads) for w in windows)
    return (outer + rows) * (_trips(nest[-1]) + columns) < loads * outer * _trips(nest[-1])


def _more(windows: list[_Window]) -> Offset:
    return max(w.extent[0] for w in windows), max(w.extent[1] for w in windows)


def _moved(nest: list[For], windows: list[_Window], body: Body) -> Body:
    """The nest over what the windows need, too."""
    rows, columns = _more(windows)
    inner, outer = nest[-1], nest[-2] if len(nest) > 1 else None
    span = inner.span
    starts = [(s, _bounds(s)[0] - n) for s, n in ((outer, rows), (inner, columns)) if s is not None]
    before: list[Stmt] = []
    sliding: list[Stmt] = []
    values: dict[Buffer, _Window] = {}
    for w in windows:
        before += _declared(w, _trips(inner) + columns)
        sliding += _sliding(w, starts, (rows, columns))
        values[w.buffer] = w

    def expr(e: Expr) -> Expr:
        w = values.get(e.buffer) if isinstance(e, Load) else None
        place = _offset(e, outer.var if outer else None, inner.var) if w and isinstance(e, Load) else None
        if w is None or place is None:
            return e
        return Load(w.cells[w.last[0] - place[1][0], w.last[1] - place[1][1]], (), e.span)

    own = map_body(body, expr)
    guard = build.all_of([_least(s, _bounds(s)[0]) for s, lo in starts if lo != _bounds(s)[0]], span)
    if not isinstance(guard, Const):
        own = (If(guard, own, (), span),)
    changed = {s: lo for s, lo in starts}
    loops = [replace(s, kind=in_order(s.kind), lo=build.index(changed[s], s.span)) if s in changed else s for s in nest]
    return (*before, _around(loops, (*sliding, *own)))


def _least(s: For, value: int) -> Expr:
    return build.apply(ops.GE, Ref(s.var, s.span), build.index(value, s.span), span=s.span)


def _declared(w: _Window, width: int) -> Iterator[Stmt]:
    """The window's registers and lines."""
    b = w.buffer
    for r in range(w.extent[0] + 1):
        for c in range(w.extent[1] + 1):
            w.cells[r, c] = cell = Buffer(f"{b.hint}_{r}_{c}", b.dtype, (), b.span)
            yield from (Alloc(cell, b.span), Store(cell, (), _zero(b), b.span))
    for r in range(w.extent[0]):
        w.lines.append(Buffer(f"{b.hint}_line{r + 1}", b.dtype, (build.index(width, b.span),), b.span))
        yield Alloc(w.lines[-1], b.span)


def _zero(b: Buffer) -> Const:
    return Const(0.0 if isinstance(b.dtype, FloatType) else False if b.dtype == BOOL else 0, b.dtype, b.span)


def _sliding(w: _Window, starts: list[tuple[For, int]], more: Offset) -> Iterator[Stmt]:
    """The window's move: columns go along, the first one is the newest element below what lines kept."""
    span = next(iter(w.loads.values())).span
    inner, first = starts[-1]
    at = (build.sub(Ref(inner.var, span), build.index(first, span), span),)
    for r in range(w.extent[0] + 1):
        for c in reversed(range(w.extent[1])):
            yield Store(w.cells[r, c + 1], (), Load(w.cells[r, c], (), span), span)
    needed = [
        _least(s, _bounds(s)[0] - n) for (s, lo), n in zip(starts, w.extent[-len(starts) :], strict=True)
        if lo < _bounds(s)[0] - n
    ]  # fmt: skip
    yield from _under(build.all_of(needed, span), Store(w.cells[0, 0], (), w.newest, span))
    for r, line in enumerate(w.lines, 1):
        outer, top = starts[0]
        yield from _under(_least(outer, top + 1), Store(w.cells[r, 0], (), Load(line, at, span), span))
    for r, line in enumerate(w.lines):
        yield Store(line, at, Load(w.cells[r, 0], (), span), span)


def _under(cond: Expr, s: Stmt) -> Body:
    return (s,) if isinstance(cond, Const) else (If(cond, (s,), (), s.span),)
