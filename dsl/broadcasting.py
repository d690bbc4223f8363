"""Sizes of traced tensors: which are the same, what they broadcast to, what can be computed from the dims alone."""

from __future__ import annotations

from collections.abc import Sequence

from gemel.semantics import build, failures, ir, ops
from gemel.semantics.errors import ShapeError
from gemel.semantics.ir import Const, Expr
from gemel.semantics.span import Span
from gemel.tensors import Indices, Shape, Tensor
from gemel.tracer import tracer


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


def own_indices(p: Tensor, indices: Indices) -> Indices:
    """The indices of an operand's element in a broadcast: its own dimensions, 0 where its size is 1."""
    own = indices[len(indices) - p.rank :]
    one = [isinstance(s, Const) and s.value == 1 for s in p.shape_exprs]
    return tuple(build.index(0) if unit else i for i, unit in zip(own, one, strict=True))
