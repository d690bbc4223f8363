"""The step that makes a factor unsigned: CPUs multiply unsigned bytes with signed ones.

With a' = a + 128, the sum of a * b is that of a' * b less 128 times the sum of b. The latter doesn't depend on the
rows of a: it is summed once for each column that is packed, and accumulators begin with it. Integers wrap, so the
result is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import IntType, UInt
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Apply, Buffer, Const, Expr, For, Kernel, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.schedule.names import find_buffer, names, refuse, unused
from gemel.semantics.schedule.windows import bare, uses, variables
from gemel.semantics.traverse import Body, map_body, map_expr, map_own_exprs, statements, stored

BYTE = IntType(8, True)
OFFSET = 128


def unsigned(kernel: Kernel, left: str, right: str) -> Kernel:
    """Keeps the local array `left` of i8 as u8, with 128 added; accumulators begin with what that adds to the sums.

    `left` may be used in sums of products with elements of the local array `right` alone, for accumulators that are
    local too. Raises ScheduleError where that isn't so.
    """
    a, b = find_buffer(kernel, left), find_buffer(kernel, right)
    sums = _sums(kernel, a, b)
    taken = names(kernel)
    total = Buffer(unused(f"{right}_sums", taken), sums.reduce.buffer.dtype, sums.sizes(), a.span)
    taken.add(total.hint)
    changed = replace(kernel, body=_raised(kernel.body, a, Buffer(a.hint, UInt(8), a.shape, a.span)))
    changed = replace(changed, body=map_body(changed.body, stmt=lambda s: sums.begun(s, total)))
    return replace(changed, body=_summed_after_fill(changed.body, b, sums, total, taken))


@dataclass(frozen=True)
class _Sums:
    """The accumulation of products of two local arrays.

    `kept` are the loops that the right operand's place depends on and the sum doesn't run over, `deep` those that it
    runs over, `begin` the store that accumulators begin with.
    """

    reduce: Reduce
    right: Load
    kept: tuple[For, ...]
    deep: tuple[For, ...]
    begin: Store

    def sizes(self) -> tuple[Expr, ...]:
        """The shape of an array with an element for each sum over the right operand."""
        by_var = {
            i.var: n for i, n in zip(self.right.indices, self.right.buffer.shape, strict=True) if isinstance(i, Ref)
        }
        return tuple(by_var[s.var] for s in self.kept)

    def begun(self, s: Stmt, total: Buffer) -> Stmt:
        """The store that accumulators begin with, less the sum."""
        if not isinstance(s, Store) or s.buffer is not self.reduce.buffer:
            return s
        own = {i.var: at for i, at in zip(self.reduce.indices, s.indices, strict=True) if isinstance(i, Ref)}
        place = tuple(own.get(x.var, Ref(x.var, s.span)) for x in self.kept)
        less = build.apply(ops.SUB, s.value, Load(total, place, s.span), span=s.span)
        return replace(s, value=build.convert(less, s.buffer.dtype, s.span))

    def nests(self, total: Buffer, taken: set[str]) -> Body:
        """The sums over the right operand, OFFSET times: zero first."""
        own = {i.var for i in self.reduce.indices if isinstance(i, Ref)}
        tile = [s for s in self.kept if s.var in own]
        around = [s for s in self.kept if s.var not in own]
        clear = _Nest([*around, *tile], taken)
        at = tuple(clear.copier.expr(Ref(s.var, s.span)) for s in self.kept)
        zero = Store(total, at, Const(0, total.dtype, total.span), total.span)
        add = _Nest([*around, *self.deep, *tile], taken)
        at = tuple(add.copier.expr(Ref(s.var, s.span)) for s in self.kept)
        value = _with_factor(self.reduce.value, self.right.buffer, Const(OFFSET, UInt(8), total.span))
        return (*clear.around(zero), *add.around(Reduce(ops.ADD, total, at, add.copier.expr(value), total.span)))


class _Nest:
    """Copies of loops under new names."""

    def __init__(self, like: list[For], taken: set[str]) -> None:
        self.like, self.copier, self.fresh = like, Folding(), []
        for s in like:
            v = Var(unused(f"{s.var.hint}_sum", taken), s.var.dtype, s.span)
            taken.add(v.hint)
            self.copier.vars[s.var] = Ref(v, s.span)
            self.fresh.append(v)

    def around(self, inner: Stmt) -> Body:
        """The nest with a statement in it."""
        body: Body = (inner,)
        for s, v in reversed(list(zip(self.like, self.fresh, strict=True))):
            lo, hi = self.copier.expr(s.lo), self.copier.expr(s.hi)
            body = (For(v, lo, hi, s.step, s.kind, body, s.span),)
        return body


def _with_factor(e: Expr, right: Buffer, factor: Expr) -> Expr:
    """A sum of products with another factor beside the elements of `right`."""

    def changed(x: Expr) -> Expr:
        if isinstance(x, Apply) and x.op is ops.MUL and any(_of(f, right) for f in x.args):
            return build.apply(ops.MUL, factor, next(f for f in x.args if _of(f, right)), span=x.span)
        return x

    return map_expr(changed, e)


def _of(e: Expr, b: Buffer) -> bool:
    inner = bare(e)
    return isinstance(inner, Load) and inner.buffer is b


def _products(e: Expr) -> Iterator[Apply | None]:
    """The products that an exact sum, converted at the end, is of; None for anything else in it."""
    if isinstance(e, Apply) and e.op in (ops.CAST, ops.NARROW, ops.ADD):
        for x in e.args:
            yield from _products(x)
    else:
        yield e if isinstance(e, Apply) and e.op is ops.MUL else None


def _sums(kernel: Kernel, a: Buffer, b: Buffer) -> _Sums:
    """The accumulation that two local arrays are used in; raises ScheduleError where it isn't one that can change."""
    span = a.span
    locals_ = {s.buffer for s in statements(kernel.body) if isinstance(s, Alloc)}
    if not a.dtype == b.dtype == BYTE or not {a, b} <= locals_:
        raise refuse(f"{a.hint} and {b.hint} are no local arrays of i8", span, "stage them first")
    found = [u for u in uses(kernel.body, a) if not (isinstance(u.stmt, Store) and u.stmt.buffer is a)]
    r = found[0].stmt if found else None
    if not isinstance(r, Reduce) or any(u.stmt is not r for u in found) or r.op is not ops.ADD:
        raise refuse(f"{a.hint} isn't used in one accumulation alone", span)
    parts = list(_products(r.value))
    if not all(p is not None and {_of(p.args[0], a), _of(p.args[1], a)} == {True, False} for p in parts):
        raise refuse(f"{a.hint} is used elsewhere than in products", r.span)
    loads = [y for p in parts if p is not None for y in map(bare, p.args) if isinstance(y, Load) and y.buffer is b]
    if len(loads) != len(parts) or any(u.conditions for u in found):
        raise refuse(f"{a.hint} is multiplied with more than {b.hint}, or under a condition", r.span)
    return _roles(kernel, r, loads[0], found[0].loops)


def _roles(kernel: Kernel, r: Reduce, right: Load, around: tuple[For, ...]) -> _Sums:
    begins = [u.stmt for u in uses(kernel.body, r.buffer) if isinstance(u.stmt, Store) and u.stmt.buffer is r.buffer]
    home = next(
        (n for n, s in enumerate(around) if any(isinstance(x, Alloc) and x.buffer is r.buffer for x in s.body)), None
    )
    base = next(
        (n for n, s in enumerate(around) if any(isinstance(x, Alloc) and x.buffer is right.buffer for x in s.body)), -1
    )
    if home is None or len(begins) != 1 or not isinstance(begins[0], Store) or home <= base:
        raise refuse(f"{r.buffer.hint} is no local accumulator that begins with one store", r.span, "accumulate first")
    own = {v for i in r.indices for v in variables(i)}
    deep = tuple(s for s in around[home + 1 :] if s.var not in own)
    place = {v for i in right.indices for v in variables(i)}
    kept = tuple(s for s in around[base + 1 :] if s.var in place and s not in deep)
    plain = {i.var for i in right.indices if isinstance(i, Ref)}
    inside = {s.var for s in around[base + 1 :]} - {s.var for s in (*kept, *deep)}
    bounds = {v for s in (*kept, *deep) for e in (s.lo, s.hi) for v in variables(e)}
    if not {s.var for s in kept} <= plain or bounds & inside or not all(isinstance(i, Ref) for i in r.indices):
        raise refuse(f"the sum over {right.buffer.hint} isn't the same for all rows", r.span, code="K02")
    return _Sums(r, right, kept, deep, begins[0])


def _raised(body: Body, a: Buffer, new: Buffer) -> Body:
    """The block with an array of i8 as one of u8, each element OFFSET more."""

    def load(e: Expr) -> Expr:
        return replace(e, buffer=new) if isinstance(e, Load) and e.buffer is a else e

    def changed(s: Stmt) -> Stmt:
        if isinstance(s, Alloc) and s.buffer is a:
            return replace(s, buffer=new)
        if not isinstance(s, Store) or s.buffer is not a:
            return map_own_exprs(s, lambda e: map_expr(load, e))
        more = build.apply(ops.ADD, s.value, build.literal(OFFSET, s.span), span=s.span)
        return replace(s, buffer=new, value=build.convert(more, UInt(8), s.span))

    return map_body(body, stmt=changed)


def _summed_after_fill(body: Body, b: Buffer, sums: _Sums, total: Buffer, taken: set[str]) -> Body:
    """The block with the sums after the nest that fills `b`, in the block that makes `b`."""
    out: list[Stmt] = []
    made = False
    for s in body:
        if isinstance(s, For) and not made:
            s = replace(s, body=_summed_after_fill(s.body, b, sums, total, taken))
        out.append(s)
        if isinstance(s, Alloc) and s.buffer is b:
            made = True
            out.append(Alloc(total, s.span, filled=True))
        elif made and b in stored((s,)):
            out += sums.nests(total, taken)
    return tuple(out)
