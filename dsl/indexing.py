"""Indexing of traced tensors: ints, traced integers, slices, None and `...` give views."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gemel.semantics import build, ops
from gemel.semantics.errors import ShapeError, TraceError
from gemel.semantics.ir import Const, Expr
from gemel.semantics.span import Span
from gemel.tensors import Indices, Tensor, viewed
from gemel.traced import Value
from gemel.tracer import here
from gemel.values import as_index


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
