"""Lazy tensors of a function of the elements of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gemel.broadcasting import broadcast, own_indices
from gemel.semantics import build, ops
from gemel.semantics.errors import TraceError
from gemel.semantics.ir import Expr
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.stores import materialise
from gemel.tensors import Indices, Tensor, as_tensor
from gemel.traced import Value
from gemel.tracer import MAX_HEIGHT, MAX_NODES
from gemel.values import described, is_static


def elementwise(function: Callable[[tuple[Expr, ...]], Expr], parts: Sequence[Tensor], span: Span) -> Tensor | Value:
    """The lazy tensor of `function` on the parts' elements, broadcast; a number where all are of rank 0."""
    what = f"shapes {' and '.join(p.shape_text() for p in parts if p.rank)}"
    shape = broadcast([p.shape_exprs for p in parts], span, what)
    parts = [materialise(p, "part", span) if p.height > MAX_HEIGHT or p.nodes > MAX_NODES else p for p in parts]

    def element(indices: Indices) -> Expr:
        return function(tuple(p.element(own_indices(p, indices)) for p in parts))

    zero = tuple(build.index(0, span) for _ in shape)
    if not shape:
        return Value(element(()))
    dtype = element(zero).dtype
    made = Tensor(dtype, shape, element, frozenset().union(*(p.sources for p in parts)))
    made.height, made.nodes = 1 + max(p.height for p in parts), 1 + sum(p.nodes for p in parts)
    return made


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
