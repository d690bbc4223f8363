"""Loops that the tracer makes by itself, and stores to tensors: assignments, accumulations, materialised copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gemel.broadcasting import own_indices, require_same, settled_shape
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import INDEX, DType, FixedType, IndexType
from gemel.semantics.errors import ShapeError, TraceError
from gemel.semantics.ir import Buffer, Const, Expr, LoopKind
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.traverse import subexprs
from gemel.tensors import Indices, Shape, Tensor, as_tensor, of_buffer
from gemel.traced import Value
from gemel.tracer import Retrace, tracer
from gemel.values import described, for_store, is_static


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
    check_fits(target, source, span)
    if target.buffer in source.sources and source.rank:
        source = materialise(source, "copy", span)
    static = value if is_static(value) else None

    def store(at: Indices) -> None:
        e = source.element(own_indices(source, at))
        put(target, at, for_store(Value(e) if static is None else static, target.dtype, span, "the tensor"), span)

    nest(target.shape_exprs, store, span)


def check_fits(target: Tensor, source: Tensor, span: Span) -> None:
    """Sizes must be those of the target, or 1."""
    for a, b in zip(reversed(target.shape_exprs), reversed(source.shape_exprs), strict=False):
        if not (isinstance(b, Const) and b.value == 1):
            require_same(a, b, span)


def accumulate(target: Tensor, op: Op, value: object, span: Span) -> None:
    """`target op= value`, elementwise."""
    source = as_tensor(value, span, target.dtype)
    if source is None:
        raise TraceError(f"{described(value)} added to a tensor", code="P10", span=span, mend="add numbers and tensors")
    check_fits(target, source, span)
    if target.buffer in source.sources and source.rank:
        source = materialise(source, "copy", span)
    nest(target.shape_exprs, lambda at: reduce_at(target, at, op, source.element(own_indices(source, at)), span), span)


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
