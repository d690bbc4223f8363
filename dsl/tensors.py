"""Traced tensors: views of buffers and lazy element functions.

A tensor is a shape and a function from indices to an element's expression. A view also knows its buffer and where in
it each element lies, so that it can be stored to. Everything else is computed where it is stored or
reduced, so chains fuse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gemel.semantics import build, failures, ir, ops
from gemel.semantics.dtypes import INDEX, BoolType, DType, FixedType, IndexType
from gemel.semantics.errors import ShapeError, TraceError, TypeCheckError
from gemel.semantics.ir import Buffer, Const, Expr, LoopKind
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.traverse import subexprs
from gemel.tracer import MAX_HEIGHT, MAX_NODES, Retrace, here, tracer
from gemel.values import Traced, Value, as_expr, as_index, described, element_type, for_store, is_static

Indices = tuple[Expr, ...]
Shape = tuple[Expr, ...]


class Tensor(Traced):
    """A traced tensor; `buffer` and `place` are set for views."""

    __slots__ = ("buffer", "dtype", "element", "height", "nodes", "place", "shape_exprs", "sources")

    def __init__(
        self,
        dtype: DType,
        shape: Shape,
        element: Callable[[Indices], Expr],
        sources: frozenset[Buffer],
        buffer: Buffer | None = None,
        place: Callable[[Indices], Indices] | None = None,
    ) -> None:
        self.dtype, self.shape_exprs, self.element, self.sources = dtype, shape, element, sources
        self.buffer, self.place = buffer, place
        self.height, self.nodes = 0, 1

    def number(self) -> Expr | None:
        """The element, where there is no dimension."""
        return None if self.rank else self.element(())

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape_exprs)

    ndim = rank

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes: ints where they are known, else traced values."""
        return tuple(int(s.value) if isinstance(s, Const) else Value(s) for s in self.shape_exprs)

    @property
    def T(self) -> Tensor:
        """The view with its dimensions reversed."""
        return permuted(self, tuple(reversed(range(self.rank))))

    def transpose(self, *axes: int) -> Tensor:
        """The view with its dimensions in another order."""
        order = axes or tuple(reversed(range(self.rank)))
        if sorted(order) != list(range(self.rank)):
            raise ShapeError(f"{order} is no order of {self.rank} dimensions", code="S01", span=here())
        return permuted(self, tuple(order))

    def shape_text(self) -> str:
        """The shape as in an annotation, `[M, 3]`; a size that is computed is `...`."""
        return f"[{', '.join(map(_size_text, self.shape_exprs))}]"

    def copy(self) -> Tensor:
        """A new tensor with these elements."""
        return materialise(self, "copy", here())

    def __repr__(self) -> str:
        return f"<{self.dtype} tensor of rank {self.rank}>"


def of_buffer(buffer: Buffer) -> Tensor:
    """The view of a whole buffer."""

    def element(indices: Indices) -> Expr:
        return ir.Load(buffer, indices, here())

    return Tensor(buffer.dtype, buffer.shape, element, frozenset({buffer}), buffer, lambda indices: indices)


def viewed(base: Tensor, shape: Shape, mapping: Callable[[Indices], Indices]) -> Tensor:
    """A tensor whose element at `indices` is that of `base` at `mapping(indices)`."""
    place = base.place
    made = Tensor(
        base.dtype,
        shape,
        lambda indices: base.element(mapping(indices)),
        base.sources,
        base.buffer,
        None if place is None else lambda indices: place(mapping(indices)),
    )
    made.height, made.nodes = base.height + 1, base.nodes
    return made


def permuted(t: Tensor, order: tuple[int, ...]) -> Tensor:
    """The view whose dimension n is dimension order[n] of `t`."""

    def mapping(indices: Indices) -> Indices:
        return tuple(indices[order.index(axis)] for axis in range(t.rank))

    return viewed(t, tuple(t.shape_exprs[axis] for axis in order), mapping)


def constant(array: np.ndarray[Any, Any], span: Span, dtype: DType | None = None) -> Tensor:
    """A NumPy array as a constant table; the same array gives the same table within a trace.

    Raises TypeCheckError for an element type that Gemel doesn't have.
    """
    t = tracer()
    known = t.tables.get(id(array))
    if known is not None and known[0] is array and dtype is None:
        return known[1]
    own = element_type(array) if dtype is None else dtype
    if own is None:
        raise TypeCheckError(
            f"a NumPy array of {array.dtype} has no type in Gemel", code="T01", span=span, mend="use numbers"
        )
    data = np.array(array, order="C")
    data.flags.writeable = False
    buffer = ir.Buffer("table", own, tuple(build.index(n, span) for n in array.shape), span, data)
    t.preamble.append(ir.Alloc(buffer, span))
    table = of_buffer(buffer)
    if dtype is None:
        t.tables[id(array)] = (array, table)
    return table


def as_tensor(x: object, span: Span, like: DType | None = None) -> Tensor | None:
    """A tensor, NumPy array or (as a tensor of rank 0) number; None for anything else."""
    if isinstance(x, Tensor):
        return x
    if isinstance(x, np.ndarray) and x.shape:
        return constant(x, span)
    if isinstance(x, np.ndarray):
        x = x[()]
    if isinstance(x, Value | bool | int | float | np.generic):
        e = as_expr(x, span, like)
        return Tensor(
            e.dtype, (), lambda indices: e, frozenset(b.buffer for b in subexprs(e) if isinstance(b, ir.Load))
        )
    return None


# ------------------------------------------------------------------------------------------------------------ indexing


def subscript(t: Tensor, key: object, span: Span) -> Tensor | Value:
    """`t[key]`: a view, or the element where each dimension has an index."""
    view = window(t, key, span)
    return view if view.rank else Value(view.element(()))


def window(t: Tensor, key: object, span: Span) -> Tensor:
    """The view `t[key]`, also of rank 0, with ints, traced integers, slices, None and `...`.

    Raises ShapeError where there are too many indices.
    """
    parts = _expanded(t, key if isinstance(key, tuple) else (key,), span)
    shape: list[Expr] = []
    rules: list[Callable[[list[Expr]], Expr]] = []
    axis = 0
    for part in parts:
        if part is None:
            shape.append(build.index(1, span))
            rules.append(_skip)
            continue
        size = t.shape_exprs[axis]
        axis += 1
        if isinstance(part, slice):
            start, step, count = _sliced(part, size, span)
            shape.append(count)
            rules.append(partial(_stepped, start, step))
        else:
            fixed = _at(part, size, span)
            rules.append(partial(_fixed, fixed))

    def mapping(indices: Indices) -> Indices:
        own = list(indices)
        found = [rule(own) for rule in rules]
        return tuple(e for e, part in zip(found, parts, strict=True) if part is not None)

    return viewed(t, tuple(shape), mapping)


def _stepped(start: Expr, step: Expr, own: list[Expr]) -> Expr:
    return build.add(start, build.mul(own.pop(0), step, here()), here())


def _fixed(at: Expr, own: list[Expr]) -> Expr:
    return at


def _skip(own: list[Expr]) -> Expr:
    return own.pop(0)


def _expanded(t: Tensor, key: tuple[object, ...], span: Span) -> list[object]:
    used = sum(1 for k in key if k is not None and k is not Ellipsis)
    if used > t.rank:
        mend = f"give at most {t.rank} {'index' if t.rank == 1 else 'indices'}"
        raise ShapeError(f"{used} indices for a tensor of rank {t.rank}", code="S01", span=span, mend=mend)
    rest: list[object] = [slice(None)] * (t.rank - used)
    if Ellipsis in [k for k in key if k is Ellipsis]:
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        return [*key[:at], *rest, *key[at + 1 :]]
    return [*key, *rest]


def _at(part: object, size: Expr, span: Span) -> Expr:
    if isinstance(part, Tensor | np.ndarray | list):
        raise TraceError(
            "a tensor as an index", code="P02", span=span, mend="loop over it: for k in range(n): ... x[idx[k]]"
        )
    e = as_index(part, span)
    if isinstance(e, Const) and int(e.value) < 0:
        return build.add(size, e, span)
    return e


def _sliced(part: slice, size: Expr, span: Span) -> tuple[Expr, Expr, Expr]:
    """The first index, the step and the number of elements of a slice."""
    step = 1 if part.step is None else part.step
    if isinstance(step, Value) or not isinstance(step, int | np.integer) or step == 0:
        raise TraceError(
            "a slice's step must be a known number other than 0",
            code="P02",
            span=span,
            mend="write a number, or use gm.static[int]",
        )
    step = int(step)
    first, last = (build.index(0, span), size) if step > 0 else (build.sub(size, build.index(1, span), span), None)
    start = first if part.start is None else _bound(part.start, size, span, step)
    stop = last if part.stop is None else _bound(part.stop, size, span, step)
    return start, build.index(step, span), _count(start, stop, step, span)


def _bound(x: object, size: Expr, span: Span, step: int) -> Expr:
    e = _at(x, size, span)
    if isinstance(e, Const) and isinstance(size, Const):
        top = int(size.value) - (step < 0)
        return build.index(min(max(int(e.value), -(step < 0) and 0), top), span)
    return e


def _count(start: Expr, stop: Expr | None, step: int, span: Span) -> Expr:
    if step > 0:
        extent = build.sub(stop if stop is not None else start, start, span)
    else:
        extent = build.sub(start, stop, span) if stop is not None else build.add(start, build.index(1, span), span)
    size = abs(step)
    if size > 1:
        extent = build.apply(
            ops.FLOORDIV, build.add(extent, build.index(size - 1, span), span), build.index(size), span=span
        )
    return build.index(max(int(extent.value), 0), span) if isinstance(extent, Const) else extent


# --------------------------------------------------------------------------------------------------------- elementwise


def _size_text(size: Expr) -> str:
    return str(size.value) if isinstance(size, Const) else size.var.hint if isinstance(size, ir.Ref) else "..."


def same_size(a: Expr, b: Expr) -> bool:
    """Whether two sizes are the same expression."""
    match a, b:
        case ir.Const(), ir.Const():
            return a.value == b.value
        case ir.Ref(), ir.Ref():
            return a.var is b.var
        case ir.Apply(), ir.Apply():
            return a.op is b.op and len(a.args) == len(b.args) and all(map(same_size, a.args, b.args))
        case ir.Load(), ir.Load():
            return a.buffer is b.buffer and all(map(same_size, a.indices, b.indices))
        case _:
            return False


def broadcast(shapes: Sequence[Shape], span: Span, what: str = "") -> Shape:
    """The shape that NumPy's rules give.

    Raises ShapeError where sizes can't agree; sizes that may agree are compared when the kernel runs.
    """
    rank = max(map(len, shapes))
    return tuple(_agreed([s[axis - rank] for s in shapes if len(s) >= rank - axis], span, what) for axis in range(rank))


def _agreed(sizes: list[Expr], span: Span, what: str) -> Expr:
    wide = [s for s in sizes if not (isinstance(s, Const) and s.value == 1)]
    if not wide:
        return sizes[0]
    for other in wide[1:]:
        require_same(wide[0], other, span, what)
    return wide[0]


def require_same(a: Expr, b: Expr, span: Span, what: str = "") -> None:
    """Two sizes must be the same: known now, or checked when the kernel runs; `what` says what they are of."""
    if same_size(a, b):
        return
    if isinstance(a, Const) and isinstance(b, Const):
        raise ShapeError(
            f"{what + ': ' if what else ''}sizes {a.value} and {b.value} don't fit together",
            code="S03",
            span=span,
            mend="make the two sizes equal" + ("" if what.startswith("@") else ", or one of them 1"),
        )
    cond = build.apply(ops.EQ, a, b, span=span)
    tracer().emit(ir.Assert(ir.Check.SHAPE, cond, failures.UNEQUAL, (a, b), span))


def elementwise(function: Callable[[tuple[Expr, ...]], Expr], parts: Sequence[Tensor], span: Span) -> Tensor | Value:
    """The lazy tensor of `function` on the parts' elements, broadcast; a number where all are of rank 0."""
    what = f"shapes {' and '.join(p.shape_text() for p in parts if p.rank)}"
    shape = broadcast([p.shape_exprs for p in parts], span, what)
    parts = [materialise(p, "part", span) if p.height > MAX_HEIGHT or p.nodes > MAX_NODES else p for p in parts]

    def element(indices: Indices) -> Expr:
        return function(tuple(p.element(_reduced(p, indices)) for p in parts))

    zero = tuple(build.index(0, span) for _ in shape)
    if not shape:
        return Value(element(()))
    dtype = element(zero).dtype
    made = Tensor(dtype, shape, element, frozenset().union(*(p.sources for p in parts)))
    made.height, made.nodes = 1 + max(p.height for p in parts), 1 + sum(p.nodes for p in parts)
    return made


def _reduced(p: Tensor, indices: Indices) -> Indices:
    own = indices[len(indices) - p.rank :]
    one = [isinstance(s, Const) and s.value == 1 for s in p.shape_exprs]
    return tuple(build.index(0) if unit else i for i, unit in zip(own, one, strict=True))


def apply_op(op: Op, xs: Sequence[object], span: Span) -> Tensor | Value:
    """An op on tensors and numbers; literals take the type of the typed operands."""
    typed = [t for x in xs if not is_static(x) and (t := as_tensor(x, span)) is not None]
    like = typed[0].dtype if typed else None
    shift = op in (ops.SHL, ops.SHR)
    parts = [as_tensor(x, span, None if shift else like) for x in xs]
    if any(p is None for p in parts):
        bad = next(x for x, p in zip(xs, parts, strict=True) if p is None)
        raise TraceError(f"{described(bad)} with a tensor", code="P10", span=span, mend="use tensors and numbers")
    return elementwise(lambda args: build.apply(op, *args, span=span), [p for p in parts if p is not None], span)


# ---------------------------------------------------------------------------------------------------- loops and stores


def nest(shape: Shape, body: Callable[[Indices], None], span: Span, hints: str = "ijklmnpq") -> None:
    """Loops over a shape around what `body` emits."""
    t = tracer()
    variables = [ir.Var(hints[n % len(hints)], INDEX, span) for n in range(len(shape))]
    with t.block() as inner:
        body(tuple(ir.Ref(v, span) for v in variables))
    statements: tuple[ir.Stmt, ...] = tuple(inner)
    for var, size in reversed(list(zip(variables, shape, strict=True))):
        zero, one = build.index(0, span), build.index(1, span)
        statements = (ir.For(var, zero, size, one, LoopKind.SERIAL, statements, span),)
    for s in statements:
        t.emit(s)


def settled_shape(shape: Sequence[Expr]) -> Shape:
    """Sizes that keep their values: expressions of dims alone as they are, others named."""
    return tuple(s if of_dims(s) else tracer().let(s, "size") for s in shape)


def of_dims(e: Expr) -> bool:
    """Whether a size can be computed from the dims alone, before the body runs."""
    match e:
        case ir.Const():
            return True
        case ir.Ref():
            return is_dim(e.var)
        case ir.Apply():
            return all(map(of_dims, e.args))
        case ir.Load():
            return False


def is_dim(var: ir.Var) -> bool:
    """Whether a variable is a `gm.dims` symbol: these alone have no place in a source."""
    return var.span.line == 0


def allocate(dtype: DType, shape: Sequence[Expr], hint: str, span: Span) -> Tensor:
    """A new tensor without values."""
    buffer = ir.Buffer(hint, dtype, settled_shape(shape), span)
    tracer().emit(ir.Alloc(buffer, span))
    return of_buffer(buffer)


def materialise(t: Tensor, hint: str, span: Span) -> Tensor:
    """A new tensor with the elements of `t`."""
    new = allocate(t.dtype, t.shape_exprs, hint, span)
    nest(new.shape_exprs, lambda at: put(new, at, t.element(at), span), span)
    return new


def put(target: Tensor, indices: Indices, value: Expr, span: Span) -> None:
    """Stores one element of a view."""
    buffer, place = writable(target, span)
    tracer().emit(ir.Store(buffer, place(indices), value, span))


def writable(t: Tensor, span: Span) -> tuple[Buffer, Callable[[Indices], Indices]]:
    """A view's buffer and index map, after making sure that no held lazy tensor still needs the old values.

    Raises TraceError for what can't be stored to.
    """
    if t.buffer is None or t.place is None:
        raise TraceError(
            "a store to a computed tensor",
            code="P02",
            span=span,
            mend="make it a tensor of its own first: x = x.copy()",
        )
    if t.buffer.data is not None:
        raise TraceError(
            "a store to a constant table", code="P02", span=span, mend="copy it first: x = gm.array(table).copy()"
        )
    disturb(t.buffer)
    return t.buffer, t.place


def disturb(buffer: Buffer) -> None:
    """Says that a buffer changes: a lazy tensor that is still held and reads it is to be computed where it was made."""
    for ordinal, lazy in list(tracer().lazies.items()):
        if buffer in lazy.sources:
            raise Retrace(("materialise", ordinal))


def assign(target: Tensor, value: object, span: Span) -> None:
    """`target[...] = value`, broadcast."""
    source = as_tensor(value, span, target.dtype)
    if source is None:
        raise TraceError(
            f"{described(value)} stored to a tensor", code="P10", span=span, mend="store numbers and tensors"
        )
    if source.rank > target.rank:
        raise ShapeError(
            f"a tensor of rank {source.rank} stored to one of rank {target.rank}",
            code="S01",
            span=span,
            mend="store to as many dimensions as the value has",
        )
    _check_fits(target, source, span)
    if target.buffer in source.sources and source.rank:
        source = materialise(source, "copy", span)
    static = value if is_static(value) else None

    def store(at: Indices) -> None:
        e = source.element(_reduced(source, at))
        put(target, at, for_store(Value(e) if static is None else static, target.dtype, span, "the tensor"), span)

    nest(target.shape_exprs, store, span)


def _check_fits(target: Tensor, source: Tensor, span: Span) -> None:
    for a, b in zip(reversed(target.shape_exprs), reversed(source.shape_exprs), strict=False):
        if not (isinstance(b, Const) and b.value == 1):
            require_same(a, b, span)


def accumulate(target: Tensor, op: Op, value: object, span: Span) -> None:
    """`target op= value`, elementwise."""
    source = as_tensor(value, span, target.dtype)
    if source is None:
        raise TraceError(f"{described(value)} added to a tensor", code="P10", span=span, mend="add numbers and tensors")
    _check_fits(target, source, span)
    if target.buffer in source.sources and source.rank:
        source = materialise(source, "copy", span)
    nest(target.shape_exprs, lambda at: reduce_at(target, at, op, source.element(_reduced(source, at)), span), span)


def reduce_at(target: Tensor, at: Indices, op: Op, value: Expr, span: Span) -> None:
    """`target[at] op= value`: order-free where the op allows it, else load, op, store."""
    buffer, place = writable(target, span)
    reduce_into(buffer, place(at), op, value, span)


def reduce_into(buffer: Buffer, indices: Indices, op: Op, value: Expr, span: Span) -> None:
    """The statement of an accumulation."""
    dtype = buffer.dtype
    if op is ops.SUB and ops.may_reduce(ops.ADD, dtype) and not isinstance(dtype, FixedType | IndexType):
        op, value = ops.ADD, build.neg(value, span)
    exact = build.apply(op, ir.Load(buffer, indices, span), value, span=span)
    if ops.may_reduce(op, dtype) and not isinstance(dtype, FixedType) and not _reads(value, buffer):
        converted = for_store(Value(value), dtype, span, buffer.hint)
        tracer().emit(ir.Reduce(op, buffer, indices, converted, span))
    else:
        tracer().emit(ir.Store(buffer, indices, for_store(Value(exact), dtype, span, buffer.hint), span))


def _reads(e: Expr, buffer: Buffer) -> bool:
    return any(isinstance(x, ir.Load) and x.buffer is buffer for x in subexprs(e))


def is_bool(t: Tensor) -> bool:
    """Whether the elements are bools."""
    return isinstance(t.dtype, BoolType)
