"""Reductions of tensors, and matrix products, which are sums of products."""

from __future__ import annotations

import numpy as np

from gemel.broadcasting import require_same
from gemel.indexing import subscript
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import DType, FixedType, FloatType, IntType, as_int
from gemel.semantics.errors import ShapeError
from gemel.semantics.ir import Const, Expr
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.stores import allocate, nest
from gemel.tensors import Indices, Tensor
from gemel.traced import Value
from gemel.tracer import tracer

Axis = int | tuple[int, ...] | None
"""One axis, several, or all of them."""


def reduction(op: Op, t: Tensor, axis: Axis, dtype: DType | None, span: Span, keepdims: bool = False) -> Tensor | Value:
    """The reduction of a tensor along some axes or all; with `keepdims` they stay as axes of size 1.

    An integer sum has a type that holds it: as many bits more as the number of terms needs, 32 where that isn't known.
    """
    axes = reduced_axes(axis, t.rank, span)
    kept = tuple(n for n in range(t.rank) if n not in axes)
    own = dtype or reduced_type(op, t.dtype, [t.shape_exprs[n] for n in axes])
    out = allocate(own, [t.shape_exprs[n] for n in kept], op.name, span)
    buffer = out.buffer
    if buffer is None:
        raise TypeError("a new tensor has a buffer")

    def one(outer: Indices) -> None:
        first = op not in (ops.ADD, ops.MUL)
        start = t.element(_merged(outer, kept, tuple(build.index(0, span) for _ in axes), t.rank)) if first else None
        initial = build.literal(int(op is ops.MUL), span, own) if start is None else build.convert(start, own)
        tracer().emit(ir.Store(buffer, outer, initial, span))

        def inner(at: Indices) -> None:
            value = t.element(_merged(outer, kept, at, t.rank))
            tracer().emit(ir.Reduce(op, buffer, outer, build.convert(value, own), span))

        nest(tuple(t.shape_exprs[n] for n in axes), inner, span, "klmn")

    nest(out.shape_exprs, one, span)
    if keepdims:
        return with_axes(out, axes, span)
    return out if kept else Value(tracer().let(ir.Load(buffer, (), span), op.name))


def with_axes(t: Tensor, axes: tuple[int, ...], span: Span) -> Tensor:
    """The tensor with axes of size 1 put in at the given places of the result."""
    key = tuple(None if n in axes else slice(None) for n in range(t.rank + len(axes)))
    made = subscript(t, key, span)
    if not isinstance(made, Tensor):
        raise TypeError("axes of a tensor are a tensor")
    return made


def reduced_axes(axis: Axis, rank: int, span: Span) -> tuple[int, ...]:
    """The axes as numbers from 0, ascending.

    Raises ShapeError for one that isn't there or is given twice.
    """
    if axis is None:
        return tuple(range(rank))
    found = tuple(sorted(_axis(a, rank, span) for a in (axis if isinstance(axis, tuple) else (axis,))))
    if len(set(found)) < len(found):
        raise ShapeError(f"an axis twice in {axis}", code="S01", span=span, mend="name each axis once")
    return found


def _merged(outer: Indices, kept: tuple[int, ...], inner: Indices, rank: int) -> Indices:
    places = dict(zip(kept, outer, strict=True))
    rest = iter(inner)
    return tuple(places[n] if n in places else next(rest) for n in range(rank))


def _axis(axis: int, rank: int, span: Span) -> int:
    if not -rank <= axis < rank:
        there = "axis 0" if rank == 1 else f"axes 0 to {rank - 1}"
        raise ShapeError(f"axis {axis} of a tensor of rank {rank}", code="S01", span=span, mend=f"it has {there}")
    return axis % rank


def reduced_type(op: Op, dtype: DType, sizes: list[Expr]) -> DType:
    """The type that holds a reduction's result."""
    if op is not ops.ADD or isinstance(dtype, FloatType):
        return dtype
    known = all(isinstance(s, Const) for s in sizes)
    terms = int(np.prod([int(s.value) for s in sizes if isinstance(s, Const)], dtype=object)) if known else 1 << 32
    extra = max(terms - 1, 0).bit_length()
    if isinstance(dtype, FixedType):
        return FixedType(dtype.width + extra, dtype.frac, dtype.signed)
    whole = as_int(dtype)
    if whole is None:
        raise TypeError(f"no integer: {dtype}")
    return IntType(whole.width + extra, whole.signed)


def matmul(a: Tensor, b: Tensor, span: Span) -> Tensor | Value:
    """`a @ b` for ranks 1 and 2; sums as `reduction` makes them."""
    if not (1 <= a.rank <= 2 and 1 <= b.rank <= 2):
        raise ShapeError(f"@ of ranks {a.rank} and {b.rank}", code="S01", span=span, mend="use tensors of rank 1 or 2")
    require_same(a.shape_exprs[-1], b.shape_exprs[0], span, f"@ of {a.shape_text()} and {b.shape_text()}")
    left = a.shape_exprs[:-1]
    right = b.shape_exprs[1:]

    def element(at: Indices) -> Expr:
        row, k, column = at[: len(left)], at[-1], at[len(left) : -1]
        return build.apply(ops.MUL, a.element((*row, k)), b.element((k, *column)), span=span)

    shape = (*left, *right, a.shape_exprs[-1])
    zero = tuple(build.index(0, span) for _ in shape)
    products = Tensor(element(zero).dtype, shape, element, a.sources | b.sources)
    return reduction(ops.ADD, products, len(shape) - 1, None, span)
