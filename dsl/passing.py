"""What a kernel passes to another kernel that it calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gemel import broadcasting, stores, tensors
from gemel.semantics import ir
from gemel.semantics.build import index
from gemel.semantics.errors import ShapeError, TypeCheckError
from gemel.semantics.span import Span
from gemel.semantics.traverse import Copier, stored
from gemel.tensors import Tensor
from gemel.tracer import tracer
from gemel.values import described, for_store


def passed(p: ir.Buffer | ir.Var, value: Any, callee: ir.Kernel, span: Span) -> ir.Expr | ir.View:
    if isinstance(p, ir.Var):
        if isinstance(value, Tensor):
            raise TypeCheckError(
                f"{p.hint} of {callee.name} is a scalar, not a tensor",
                code="T08",
                span=span,
                mend="call it for one element, in a loop",
                notes=[(f"{p.hint} of {callee.name}", p.span)],
            )
        return tracer().let(for_store(value, p.dtype, span, f"{p.hint} of {callee.name}"), p.hint)
    t = tensors.as_tensor(value, span)
    if t is None or not isinstance(value, Tensor | np.ndarray):
        raise TypeCheckError(
            f"{p.hint} of {callee.name} is a tensor, not {described(value)}",
            code="T08",
            span=span,
            mend="pass a tensor or a part of one: x, x[i], x[1:]",
            notes=[(f"{p.hint} of {callee.name}", p.span)],
        )
    if t.dtype != p.dtype:
        raise TypeCheckError(
            f"{p.hint} of {callee.name} has element type {p.dtype}, not {t.dtype}",
            code="A02",
            span=span,
            mend=f"pass gm.cast(x, {p.dtype})",
            notes=[(f"{p.hint} of {callee.name}", p.span)],
        )
    if t.rank != p.rank:
        raise ShapeError(
            f"{p.hint} of {callee.name} has rank {p.rank}, not {t.rank}",
            code="S01",
            span=span,
            mend=f"pass a tensor of rank {p.rank}",
            notes=[(f"{p.hint} of {callee.name}", p.span)],
        )
    if p in stored(callee.body):
        stores.writable(t, span)
    if t.buffer is None or t.place is None:
        t = stores.materialise(t, p.hint, span)
    return _view(t, span)


def _view(t: Tensor, span: Span) -> ir.View:
    if t.buffer is None or t.place is None:
        raise TypeError("only views are passed")
    variables = tuple(ir.Var("v", index(0).dtype, span) for _ in t.shape_exprs)
    indices = t.place(tuple(ir.Ref(v, span) for v in variables))
    return ir.View(t.buffer, variables, indices, broadcasting.settled_shape(t.shape_exprs), span)


def solved(callee: ir.Kernel, passed: Sequence[ir.Expr | ir.View], span: Span) -> tuple[ir.Expr, ...]:
    """The callee's dims as expressions of the caller.

    Raises ShapeError for a dim that no argument gives directly, or sizes that can't fit.
    """
    found: dict[ir.Var, ir.Expr] = {}
    pairs = [
        (dim, size)
        for p, a in zip(callee.params, passed, strict=True)
        if isinstance(p, ir.Buffer) and isinstance(a, ir.View)
        for dim, size in zip(p.shape, a.shape, strict=True)
    ]
    for dim, size in pairs:
        if isinstance(dim, ir.Ref):
            found.setdefault(dim.var, size)
    for var in callee.dims:
        if var not in found:
            raise ShapeError(
                f"the size {var.hint} of {callee.name} can't be inferred from this call", code="S04", span=span
            )
    copier = Copier(vars=dict(found))
    for dim, size in pairs:
        broadcasting.require_same(copier.expr(dim), size, span)
    return tuple(found[var] for var in callee.dims)
