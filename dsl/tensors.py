"""Traced tensors: views of buffers and lazy element functions.

A tensor is a shape and a function from indices to an element's expression. A view also knows its buffer and where in
it each element lies, so that it can be stored to. Everything else is computed where it is stored or
reduced, so chains fuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gemel.semantics import build, ir
from gemel.semantics.dtypes import BoolType, DType
from gemel.semantics.errors import ShapeError, TypeCheckError
from gemel.semantics.ir import Buffer, Const, Expr
from gemel.semantics.span import Span
from gemel.semantics.storage import aligned
from gemel.semantics.traverse import subexprs
from gemel.traced import Traced, Value
from gemel.tracer import here, tracer
from gemel.values import as_expr, element_type

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
        return f"[{', '.join(map(size_text, self.shape_exprs))}]"

    def __repr__(self) -> str:
        return f"<{self.dtype} tensor of rank {self.rank}>"


def size_text(size: Expr) -> str:
    """A size as in an annotation; `...` where it is computed."""
    return str(size.value) if isinstance(size, Const) else size.var.hint if isinstance(size, ir.Ref) else "..."


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
    data = aligned(array.shape, array.dtype)
    data[...] = array
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


def is_bool(t: Tensor) -> bool:
    """Whether the elements are bools."""
    return isinstance(t.dtype, BoolType)
