"""The step that splits a reduction over several accumulators."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import INDEX, BoolType, DType, FixedType, FloatType, IndexType, IntType
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
    Buffer,
    Const,
    Expr,
    For,
    Kernel,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
)
from gemel.semantics.ops import Op
from gemel.semantics.schedule.depend import Dependences, each_its_own
from gemel.semantics.schedule.names import Found, find, find_buffer, names, refuse, rewritten, unused
from gemel.semantics.schedule.windows import Use, uses, variables
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_body


def spread(kernel: Kernel, buffer: str, around: str, *order: str, name: str = "") -> Kernel:
    """Accumulates in the loop `around` into partial results, one for each value of the loops of `order`.

    They begin at the op's neutral value and are combined after the loop, halving one axis after the other, except those
    that the buffer's place depends on: another order of the accumulation, so it is refused for floats of a strict
    kernel. Raises ScheduleError where the buffer is used in another way in the loop, or where its place depends on a
    loop inside that is not in `order`.
    """
    b, found = find_buffer(kernel, buffer), find(kernel, around)
    loop = found.loop
    use = _only_reduced(kernel, found, b)
    op = use.stmt.op if isinstance(use.stmt, Reduce) else ops.ADD
    if kernel.strict and isinstance(b.dtype, FloatType):
        raise refuse(f"{kernel.name} is strict: the order of its sums stays", loop.span, code="K02")
    inside = {s.var.hint: s for s in (loop, *use.loops)}
    unknown = [n for n in order if n not in inside or n == around]
    if unknown or not order:
        names_ = ", ".join(n for n in inside if n != around)
        raise refuse(
            f"{', '.join(unknown) or 'no loop'} is no loop in {around} around {buffer}", loop.span, names_, "K01"
        )
    place = {v for i in use.indices for v in variables(i)}
    moving = [n for n, s in inside.items() if s.var in place and n not in order]
    if moving:
        what = f"the place in {buffer} depends on {moving[0]}, a loop in {around}"
        raise refuse(what, loop.span, f"name an inner loop instead of {around}, or {moving[0]} among the others", "K02")
    axes = [inside[n] for n in order]
    local = Buffer(unused(name or f"{buffer}_{around}", names(kernel)), b.dtype, _sizes(axes), loop.span)
    each_its_own(kernel, [use.stmt] if isinstance(use.stmt, Reduce) else [])
    kept = tuple(s.var in place for s in axes)
    parts = _Parts(local, tuple(axes), kept, op, names(kernel) | {local.hint}, loop.span)
    own = tuple(Ref(s.var, s.span) for s in axes)

    def near(s: Stmt) -> Stmt:
        return replace(s, buffer=local, indices=own) if s is use.stmt and isinstance(s, Reduce) else s

    def change(s: For) -> Body:
        body = map_body((s,), stmt=near)
        return (Alloc(local, s.span, filled=True), *parts.begun(), *body, *parts.combined(b, use.indices))

    return rewritten(kernel, loop, change)


def _only_reduced(kernel: Kernel, found: Found, b: Buffer) -> Use:
    """The one accumulation into a buffer; what is read of it elsewhere must not be where that accumulates."""
    loop = found.loop
    every = [u for u in uses((loop,), b) if isinstance(u.stmt, Store | Reduce) and u.stmt.buffer is b]
    every = [u for u in every if getattr(u.stmt, "indices", None) is u.indices]
    if len(every) != 1 or not isinstance(every[0].stmt, Reduce) or not _read_elsewhere(kernel, found, b):
        raise refuse(f"{b.hint} is not only accumulated into, at one place, in {loop.var.hint}", loop.span, code="K02")
    return every[0]


def _read_elsewhere(kernel: Kernel, found: Found, b: Buffer) -> bool:
    known = Dependences(kernel, found)
    own = [a for a in known.accesses if a.buffer is b]
    places, loads = [a for a in own if a.writes], [a for a in own if not a.writes]
    return all(known.apart(a, x, [found.loop.var]) for a in places for x in loads)


def _sizes(axes: Iterable[For]) -> tuple[Expr, ...]:
    sizes = []
    for s in axes:
        lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
        if lo != 0 or hi is None or step != 1:
            raise refuse(f"{s.var.hint} is no loop of known length from 0", s.span, "split it by a number")
        sizes.append(build.index(hi, s.span))
    return tuple(sizes)


class _Parts:
    """The partial results and the statements that begin and combine them; `kept` are the axes that each has a place."""

    def __init__(
        self, local: Buffer, axes: tuple[For, ...], kept: tuple[bool, ...], op: Op, taken: set[str], span: Span
    ) -> None:
        self.local, self.axes, self.kept, self.op, self.taken, self.span = local, axes, kept, op, taken, span
        self.sizes = [int(s.hi.value) for s in axes if isinstance(s.hi, Const)]

    def _var(self, like: str) -> Var:
        v = Var(unused(f"{like}_{self.local.hint}", self.taken), INDEX, self.span)
        self.taken.add(v.hint)
        return v

    def _nest(self, loops: Iterable[tuple[Var, int, LoopKind]], inner: Body) -> Body:
        for v, size, kind in reversed(list(loops)):
            inner = (For(v, build.index(0), build.index(size), build.index(1), kind, inner, self.span),)
        return inner

    def _written(self, sizes: list[int]) -> list[tuple[Var, int, LoopKind]]:
        """Loops over a part of the axes: parts are few, so the last axis goes in lanes, all others are written out."""
        kinds = [LoopKind.UNROLL] * (len(sizes) - 1) + [LoopKind.VECTOR if sizes[-1] > 1 else LoopKind.UNROLL]
        return [(self._var(s.var.hint), n, kind) for s, n, kind in zip(self.axes, sizes, kinds, strict=True)]

    def begun(self) -> Body:
        """Each part at the neutral value."""
        loops = self._written(self.sizes)
        at = tuple(Ref(v, self.span) for v, _, _ in loops)
        value = neutral(self.op, self.local.dtype, self.span)
        return self._nest(loops, (Store(self.local, at, value, self.span),))

    def combined(self, b: Buffer, indices: tuple[Expr, ...]) -> Body:
        """The parts brought together, then into the buffer's elements."""
        out: list[Stmt] = []
        sizes = list(self.sizes)
        for axis, kept in enumerate(self.kept):
            if not kept:
                out += self._halved(axis, sizes)
                sizes[axis] = 1
        loops = self._written(sizes)
        own = tuple(Ref(v, self.span) for v, _, _ in loops)
        copier = Folding(vars={s.var: e for s, e in zip(self.axes, own, strict=True)})
        value = Load(self.local, own, self.span)
        place = tuple(map(copier.expr, indices))
        return (*out, *self._nest(loops, (Reduce(self.op, b, place, value, self.span),)))

    def _halved(self, axis: int, sizes: list[int]) -> Body:
        """An axis brought to its first element: what is beyond the middle is accumulated into what is before it."""
        out: list[Stmt] = []
        size = sizes[axis]
        while size > 1:
            half = (size + 1) // 2
            loops = self._written([*sizes[:axis], size - half, *sizes[axis + 1 :]])
            own: list[Expr] = [Ref(v, self.span) for v, _, _ in loops]
            far = list(own)
            far[axis] = build.add(own[axis], build.index(half, self.span), self.span)
            value = Load(self.local, tuple(far), self.span)
            out += self._nest(loops, (Reduce(self.op, self.local, tuple(own), value, self.span),))
            size = half
        return tuple(out)


def neutral(op: Op, dtype: DType, span: Span) -> Const:
    """The value that leaves every other one as it is: for a float sum up to the sign of zero."""
    low, high = _extremes(dtype)
    whole: object = -1 if getattr(dtype, "signed", False) else high
    values = {ops.ADD: 0, ops.MUL: 1, ops.MIN: high, ops.MAX: low, ops.AND: whole, ops.OR: 0, ops.XOR: 0}
    value = values[op]
    if isinstance(dtype, FloatType):
        return Const(float(value), dtype, span)  # type: ignore[arg-type]
    return Const(bool(value) if isinstance(dtype, BoolType) else int(value), dtype, span)  # type: ignore[call-overload]


def _extremes(dtype: DType) -> tuple[float, float]:
    match dtype:
        case FloatType():
            return float("-inf"), float("inf")
        case BoolType():
            return 0, 1
        case FixedType():
            return dtype.raw.lo, dtype.raw.hi
        case IntType() | IndexType():
            return dtype.lo, dtype.hi
