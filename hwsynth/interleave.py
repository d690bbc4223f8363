"""Sums of floats that needn't wait for the adder: other elements, or parts of the same sum, are added to in between.

A sum takes as many cycles as the adder before it can be added to again. In a nest with loops over independent elements
some of those go inside of the loops that sum, so that each element still gets its addends in their order: not a bit
changes. A sum without such loops is parted, where the kernel doesn't ask for the order: every n-th addend goes to the
same of n parts, which are added to the sum in the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import INDEX, FloatType
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Banking,
    Banks,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.linear import sum_of
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, Copier, exprs_of, map_blocks, map_expr, statements, subexprs

LEAST = 4
"""Addends from which on a sum may be parted."""

LARGEST = 1 << 14
"""Elements of a local array that takes the place of a variable."""


Distance = Callable[[Op, FloatType], int]


@dataclass(frozen=True)
class Interleave:
    """The pass; `distance` says how many cycles an accumulation takes from reading an element to reading it again."""

    distance: Distance

    def __call__(self, kernel: Kernel) -> Kernel:
        """The kernel with nests turned and sums parted."""
        return replace(kernel, body=self._body(kernel.body, not kernel.strict))

    def _body(self, body: Body, parts: bool) -> Body:
        return tuple(x for s in body for x in self._stmt(s, parts))

    def _stmt(self, s: Stmt, parts: bool) -> Body:
        if isinstance(s, For) and _plain(s):
            turned = self._turned(s)
            if turned is not None:
                return turned
            if parts and not _has_loop(s.body):
                return self._parted(s)
        return (map_blocks(s, lambda b: self._body(b, parts)),)

    def _needed(self, sums: Sequence[Reduce]) -> int:
        """The iterations that there must be between two accumulations of an element."""
        types = [(r.op, r.buffer.dtype) for r in sums]
        return max((self.distance(op, t) for op, t in types if isinstance(t, FloatType)), default=0)

    # ------------------------------------------------------------------------------------------------ nests turned

    def _turned(self, s: For) -> Body | None:
        nest = _nest(s)
        if nest is None or not _independent(nest):
            return None
        inside, elements = len(nest.each), 1
        needed = self._needed(nest.sums)
        while inside and elements < needed:
            inside -= 1
            elements *= _trips(nest.each[inside])
        if elements < needed or not needed:
            return None
        return _rebuilt(nest, inside)

    # ------------------------------------------------------------------------------------------------- sums parted

    def _parted(self, s: For) -> Body:
        sums = [x for x in s.body if isinstance(x, Reduce) and isinstance(x.buffer.dtype, FloatType)]
        sums = [r for r in sums if _is_sum(r, s)]
        needed, trips = self._needed(sums), _trips(s)
        if needed < 2 or trips < LEAST:
            return (s,)
        count = _parts(needed, trips)
        levels = math.ceil(math.log2(count))
        if trips * (needed - 2) <= trips + count + (levels + 2) * needed:
            return (s,)
        return _in_parts(s, sums, count)


def _parts(needed: int, trips: int) -> int:
    """How many parts: if possible a number of which the addends are a multiple."""
    if trips <= needed:
        return trips
    return next((n for n in range(needed, 2 * needed) if trips % n == 0), needed)


def _plain(s: For) -> bool:
    known = all(isinstance(e, Const) for e in (s.lo, s.hi, s.step))
    return known and s.kind is LoopKind.SERIAL and s.until is None and not s.carry and not s.every and _trips(s) > 0


def _values(s: For) -> range:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)):
        raise TypeError("bounds that aren't constant")
    return range(int(s.lo.value), int(s.hi.value), int(s.step.value) or 1)


def _trips(s: For) -> int:
    return len(_values(s))


def _has_loop(body: Body) -> bool:
    return any(isinstance(x, For | While) for x in statements(body))


def _loads(e: Expr) -> set[Buffer]:
    return {x.buffer for x in subexprs(e) if isinstance(x, Load)}


def _mentions(e: Expr, names: set[Var]) -> bool:
    return any(isinstance(x, Ref) and x.var in names for x in subexprs(e))


# --------------------------------------------------------------------------------------------------------------- nests


@dataclass(frozen=True)
class _Nest:
    """Loops over elements (`each`), each of which is set up (`before`), accumulated to (`sums`, over the loops `over`)
    and used (`after`)."""

    each: tuple[For, ...]
    over: tuple[For, ...]
    before: Body
    sums: tuple[Reduce, ...]
    after: Body


def _nest(s: For) -> _Nest | None:
    loops, body = _chain(s)
    inner = [x for x in body if isinstance(x, For)]
    if not inner and _sums(body):
        sums = _sums(body)
        used = {x.var for r in sums for i in r.indices for x in subexprs(i) if isinstance(x, Ref)}
        each, over = ([x for x in loops if (x.var in used) is side] for side in (True, False))
        return _Nest(tuple(each), tuple(over), (), sums, ()) if each and over else None
    if len(inner) != 1 or not _plain(inner[0]):
        return None
    over, innermost = _chain(inner[0])
    at = body.index(inner[0])
    before, after = body[:at], body[at + 1 :]
    if not _sums(innermost) or not all(isinstance(x, Store | Reduce | Alloc) for x in (*before, *after)):
        return None
    return _Nest(tuple(loops), tuple(over), before, _sums(innermost), after)


def _chain(s: For) -> tuple[list[For], Body]:
    """A perfect nest of plain loops, and what its innermost one holds."""
    loops = [s]
    while len(loops[-1].body) == 1 and isinstance(inner := loops[-1].body[0], For) and _plain(inner):
        loops.append(inner)
    return loops, loops[-1].body


def _sums(body: Body) -> tuple[Reduce, ...]:
    """The body's statements if all accumulate floats, else none."""
    found = tuple(x for x in body if isinstance(x, Reduce) and isinstance(x.buffer.dtype, FloatType))
    return found if len(found) == len(body) else ()


def _independent(n: _Nest) -> bool:
    """Whether each iteration of the loops over elements has its own, and reads nothing that another one writes."""
    allocs = {x.buffer for x in (*n.before, *n.after) if isinstance(x, Alloc)}
    stores = [x for x in (*n.before, *n.after) if isinstance(x, Store | Reduce)]
    written = {r.buffer for r in n.sums} | {x.buffer for x in stores}
    inputs = [e for r in n.sums for e in (r.value, *r.indices)] + [i for x in stores for i in x.indices]
    if any(_loads(e) & written for e in inputs):
        return False
    if allocs - written or (allocs and not all(_from_zero(loop) for loop in n.each)):
        return False
    own = [*n.sums, *stores]
    if not all(_reads_own(x.value, own, written) for x in stores):
        return False
    return all(_known_place(n, x) for x in stores) and all(_apart(n, b, allocs) for b in written)


def _reads_own(e: Expr, own: Sequence[Store | Reduce], written: set[Buffer]) -> bool:
    """Whether what is read of the buffers written is where the same iteration writes."""
    reads = [x for x in subexprs(e) if isinstance(x, Load) and x.buffer in written]
    return all(any(_same_load(x, w) for w in own) for x in reads)


def _from_zero(s: For) -> bool:
    values = _values(s)
    return values.start == 0 and values.step == 1


def _known_place(n: _Nest, s: Store | Reduce) -> bool:
    """Whether a store goes to an accumulated element, or is behind the sums and goes elsewhere."""
    return any(_same_place(s, r) for r in n.sums) or (s in n.after and s.buffer not in {r.buffer for r in n.sums})


def _same_place(s: Store | Reduce, r: Reduce) -> bool:
    return s.buffer is r.buffer and all(map(_same_index, s.indices, r.indices))


def _same_load(e: Load, r: Store | Reduce) -> bool:
    return e.buffer is r.buffer and all(map(_same_index, e.indices, r.indices))


def _same_index(a: Expr, b: Expr) -> bool:
    return a is b or ((x := sum_of(a)) is not None and x == sum_of(b))


def _apart(n: _Nest, b: Buffer, allocs: set[Buffer]) -> bool:
    """Whether no element is met in two iterations of the loops over elements, nor twice in one by two sums."""
    if b in allocs:
        return not b.rank
    sites = [x.indices for x in (*n.sums, *n.after) if isinstance(x, Reduce | Store) and x.buffer is b]
    forms = [[sum_of(i) for i in indices] for indices in sites]
    names = [loop.var for loop in n.each]
    first = forms[0]
    if any(f is None for f in first) or any(set(f.terms) - set(names) for f in first if f):
        return False
    where = {v: [k for k, f in enumerate(first) if f and v in f.terms] for v in names}
    if any(len(axes) != 1 for axes in where.values()) or any(f and len(f.terms) > 1 for f in first):
        return False
    places = [_lane(form, first) for form in forms]
    sums = [p for p, x in zip(places, sites, strict=True) if any(x is r.indices for r in n.sums)]
    return None not in places and len(set(sums)) == len(sums)


def _lane(form: Sequence[object], first: Sequence[object]) -> tuple[int, ...] | None:
    """An access's constants, each less than what a step of its axis's loop adds; None where it isn't like the first."""
    found = []
    for f, g in zip(form, first, strict=True):
        terms, constant = getattr(f, "terms", None), getattr(f, "constant", 0)
        if f is None or terms != getattr(g, "terms", None):
            return None
        step = abs(next(iter(terms.values()))) if terms else 0
        offset = constant - getattr(g, "constant", 0)
        if step and abs(offset) >= step:
            return None
        found.append(offset % step if step else offset)
    return tuple(found)


def _rebuilt(n: _Nest, inside: int) -> Body:
    """The nest with the loops over elements from the `inside`-th on within those that sum."""
    span, loops = n.sums[0].span, (*n.each[:inside], *n.over, *n.each[inside:])
    first, last = (_at(n.over, end, span) for end in (0, -1))
    arrays = {x.buffer: _array(x.buffer, n.each[inside:]) for x in (*n.before, *n.after) if isinstance(x, Alloc)}
    totals = {r: Var("total", r.buffer.dtype, r.span) for r in n.sums}
    lanes = tuple(x for r, total in totals.items() for x in _lane_body(n, r, total, first, last))
    body: Body = (*lanes, *_uses(n, totals, last))
    at = tuple(Ref(loop.var, span) for loop in n.each[inside:])
    body = tuple(_with_arrays(x, arrays, at) for x in body)
    for loop in reversed(loops):
        body = (replace(loop, body=body),)
    return (*(Alloc(b, span) for b in arrays.values()), *body)


def _at(loops: Sequence[For], end: int, span: Span) -> Expr:
    """Whether all loops are in their first (0) or last (-1) iteration."""
    cond: Expr = build.boolean(True, span)
    for loop in loops:
        here = build.apply(ops.EQ, Ref(loop.var, span), build.index(_values(loop)[end], span), span=span)
        cond = build.both(cond, here, span)
    return cond


def _lane_body(n: _Nest, r: Reduce, total: Var, first: Expr, last: Expr) -> Body:
    """An accumulation that begins with the value set before; an array's element ends with what becomes of it."""
    old: Expr = Load(r.buffer, r.indices, r.span)
    start = _after(n.before, r, old)
    if start is not old:
        old = build.apply(ops.SELECT, first, start, old, span=r.span)
    value: Expr = Ref(total, r.span)
    end = _after(n.after, r, value) if r.buffer.rank else value
    if end is not value:
        value = build.apply(ops.SELECT, last, end, value, span=r.span)
    named = Let(total, build.apply(r.op, old, r.value, span=r.span), r.span)
    return named, Store(r.buffer, r.indices, value, r.span)


def _after(body: Body, r: Reduce, value: Expr) -> Expr:
    """What an element's value becomes by statements."""
    for x in body:
        if isinstance(x, Store | Reduce) and _same_place(x, r):
            new = _with_value(x.value, r, value)
            value = new if isinstance(x, Store) else build.apply(x.op, value, new, span=x.span)
    return value


def _with_value(e: Expr, r: Reduce, value: Expr) -> Expr:
    return map_expr(lambda x: value if isinstance(x, Load) and _same_load(x, r) else x, e)


def _uses(n: _Nest, totals: dict[Reduce, Var], last: Expr) -> Body:
    """Stores of what is made of the sums, in the last iteration."""
    found = []
    for at, x in enumerate(n.after):
        if isinstance(x, Store | Reduce) and not any(_same_place(x, r) for r in n.sums):
            value = x.value
            for r, total in totals.items():
                value = _with_value(value, r, _after(n.after[:at], r, Ref(total, r.span)))
            found.append(replace(x, value=value))
    return (If(last, tuple(found), (), found[0].span),) if found else ()


def _array(b: Buffer, loops: Sequence[For]) -> Buffer:
    """The array of a variable's values in the iterations of loops."""
    return replace(b, shape=tuple(build.index(_trips(loop), b.span) for loop in loops))


def _with_arrays(s: Stmt, arrays: dict[Buffer, Buffer], at: tuple[Expr, ...]) -> Stmt:
    """The statement with elements in place of variables."""

    def expr(e: Expr) -> Expr:
        return Load(arrays[e.buffer], at, e.span) if isinstance(e, Load) and e.buffer in arrays else e

    if isinstance(s, Store) and s.buffer in arrays:
        s = replace(s, buffer=arrays[s.buffer], indices=at)
    if isinstance(s, Store | Let):
        return replace(s, value=map_expr(expr, s.value))
    return map_blocks(s, lambda b: tuple(_with_arrays(x, arrays, at) for x in b))


# --------------------------------------------------------------------------------------------------------------- parts


def _is_sum(r: Reduce, s: For) -> bool:
    """Whether all iterations accumulate to one element, which nothing else in the body touches."""
    names = {s.var, *(x.var for x in statements(s.body) if isinstance(x, Let))}
    if any(_mentions(i, names) or _loads(i) for i in r.indices):
        return False
    written = [x for x in statements(s.body) if isinstance(x, Store | Reduce) and x.buffer is r.buffer]
    return written == [r] and not any(r.buffer in _loads(e) for x in statements(s.body) for e in exprs_of(x))


def _in_parts(s: For, sums: Sequence[Reduce], count: int) -> Body:
    """The loop with as many parts of each sum, and the sums of these."""
    span = s.span
    turn, part = (Var(hint, INDEX, span) for hint in (f"{s.var.hint}_turn", f"{s.var.hint}_part"))
    values = _values(s)
    number = _index(ops.ADD, _index(ops.MUL, Ref(turn, span), build.index(count, span)), Ref(part, span))
    at = _index(ops.ADD, _index(ops.MUL, number, build.index(values.step, span)), build.index(values.start, span))
    one = (Banks(0, 1, Banking.CYCLIC),)  # that each part is read in the end is no reason for a memory of its own
    shape = (build.index(count, span),)
    arrays = {r: Buffer(f"{r.buffer.hint}_parts", r.buffer.dtype, shape, span, None, one) for r in sums}
    first = build.apply(ops.EQ, Ref(turn, span), build.index(0, span), span=span)
    body = tuple(p for x in s.body for p in _part(x, arrays, first, part))
    body = Copier(vars={s.var: at}).body(body)
    if len(values) % count:
        inside = build.apply(ops.LT, number, build.index(len(values), span), span=span)
        body = (If(inside, body, (), span),)
    turns = -(-len(values) // count)
    inner = For(part, build.index(0, span), build.index(count, span), build.index(1, span), s.kind, body, span)
    outer = replace(s, var=turn, lo=build.index(0), hi=build.index(turns), step=build.index(1), body=(inner,))
    totals = tuple(x for r in sums for x in _total(r, arrays[r], count))
    return (*(Alloc(b, span, True) for b in arrays.values()), outer, *totals)


def _index(op: Op, a: Expr, b: Expr) -> Expr:
    return build.apply(op, a, b, span=a.span, dtype=INDEX)


def _part(r: Stmt, arrays: dict[Reduce, Buffer], first: Expr, part: Var) -> Body:
    """An accumulation to a part in place of the sum; other statements as they are."""
    if not isinstance(r, Reduce) or r not in arrays:
        return (r,)
    array, place = arrays[r], (Ref(part, r.span),)
    value = Var("addend", r.value.dtype, r.span)
    more = build.apply(r.op, Load(array, place, r.span), Ref(value, r.span), span=r.span)
    total = build.apply(ops.SELECT, first, Ref(value, r.span), more, span=r.span)
    return Let(value, r.value, r.span), Store(array, place, total, r.span)


def _total(r: Reduce, array: Buffer, count: int) -> Body:
    """The parts added to the sum, two by two."""
    lets = [
        Let(Var("part", r.value.dtype, r.span), Load(array, (build.index(n),), r.span), r.span) for n in range(count)
    ]
    level: list[Let] = lets
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[len(level) // 2 * 2 :]
        level = [*(Let(Var("part", r.value.dtype, r.span), _sum(r, a, b), r.span) for a, b in pairs), *odd]
        lets = [*lets, *(x for x in level if x not in lets)]
    return (*lets, Reduce(r.op, r.buffer, r.indices, Ref(level[0].var, r.span), r.span))


def _named(r: Reduce, value: Expr) -> Let:
    return Let(Var("part", r.value.dtype, r.span), value, r.span)


def _sum(r: Reduce, a: Let, b: Let) -> Apply:
    made = build.apply(r.op, Ref(a.var, r.span), Ref(b.var, r.span), span=r.span)
    if not isinstance(made, Apply):
        raise TypeError("a sum of names")
    return made
