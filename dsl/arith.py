"""Operators on whatever a kernel holds: numbers, traced scalars, tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gemel import indexing, reductions, tensors
from gemel.elementwise import apply_op, elementwise
from gemel.semantics import build, ops
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import TraceError
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.stores import materialise
from gemel.tensors import Tensor
from gemel.traced import BINARY, COMPARED, Traced, Value
from gemel.tracer import here
from gemel.values import COMPARISONS, OPERATORS, as_expr, scalar_op


def is_traced(x: object) -> bool:
    """Whether `x` belongs to the kernel rather than to Python."""
    return isinstance(x, Traced)


def apply(op: Op, xs: Sequence[object], span: Span) -> Any:
    """An op on numbers, scalars and tensors, elementwise where one is a tensor."""
    if any(isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.shape) for x in xs):
        return apply_op(op, xs, span)
    return scalar_op(op, tuple(x[()] if isinstance(x, np.ndarray) else x for x in xs), span)


def binary(name: str, a: object, b: object, span: Span) -> Any:
    """A binary operator by the name of its syntax node."""
    if name == "MatMult":
        left, right = tensors.as_tensor(a, span), tensors.as_tensor(b, span)
        if left is None or right is None:
            raise TraceError("@ needs two tensors", code="P10", span=span)
        return reductions.matmul(left, right, span)
    if name == "Pow":
        return power(a, b, span)
    return apply(OPERATORS[name][0], (a, b), span)


def compare(name: str, a: object, b: object, span: Span) -> Any:
    """A comparison by the name of its syntax node."""
    if name not in COMPARISONS:
        raise TraceError(f"`{name}` of a kernel's value", code="P02", span=span, mend="compare with ==, <, ...")
    return apply(COMPARISONS[name][0], (a, b), span)


def power(base: object, exponent: object, span: Span) -> Any:
    """`base ** n` for a small known n, by repeated squaring; n = 0 gives 1. With another exponent `gm.pow` of floats.

    Raises TypeCheckError where the base is no float then.
    """
    if isinstance(exponent, bool) or not isinstance(exponent, int | np.integer) or not 0 <= exponent <= 64:
        return apply(ops.POW, (base, exponent), span)
    result: Any = None
    square: Any = base
    n = int(exponent)
    while n:
        if n & 1:
            result = square if result is None else apply(ops.MUL, (result, square), span)
        n >>= 1
        square = apply(ops.MUL, (square, square), span) if n else square
    return 1 if result is None else result


def negative(x: object, span: Span) -> Any:
    """-x."""
    return apply(ops.NEG, (x,), span)


def invert(x: object, span: Span) -> Any:
    """~x."""
    return apply(ops.INVERT, (x,), span)


def convert(op: Op, x: object, dtype: DType, span: Span) -> Any:
    """A conversion of a number, scalar or tensor."""

    def one(e: Any) -> Any:
        return build.bitcast(e, dtype, span) if op is ops.BITCAST else build.apply(op, e, span=span, dtype=dtype)

    t = tensors.as_tensor(x, span) if isinstance(x, Tensor | np.ndarray) else None
    if t is not None:
        return elementwise(lambda args: one(args[0]), [t], span)
    return Value(one(as_expr(x, span)))


def _reflected(name: str, swap: bool) -> Any:
    def method(self: Traced, other: object) -> Any:
        if not isinstance(other, Traced | bool | int | float | np.generic | np.ndarray):
            return NotImplemented
        return binary(name, other, self, here()) if swap else binary(name, self, other, here())

    return method


def _compared(name: str) -> Any:
    return lambda self, other: compare(name, self, other, here())


def install() -> None:
    """Gives traced values Python's operators, so that plain library code can compute with them."""
    for name, method in BINARY.items():
        setattr(Traced, f"__{method}__", _reflected(name, False))
        setattr(Traced, f"__r{method}__", _reflected(name, True))
    for name, method in COMPARED.items():
        setattr(Traced, f"__{method}__", _compared(name))
    setattr(Traced, "__neg__", lambda self: negative(self, here()))  # noqa: B010  mypy knows no such method
    setattr(Traced, "__invert__", lambda self: invert(self, here()))  # noqa: B010
    setattr(Traced, "__abs__", lambda self: apply(ops.ABS, (self,), here()))  # noqa: B010
    setattr(Tensor, "__getitem__", lambda self, key: indexing.subscript(self, key, here()))  # noqa: B010
    setattr(Tensor, "copy", lambda self: materialise(self, "copy", here()))  # noqa: B010
    setattr(Tensor, "__len__", len_of)  # noqa: B010


def len_of(t: Tensor) -> int:
    """`len` of a tensor whose first size is known."""
    size = t.shape[0]
    if not isinstance(size, int):
        raise TraceError(
            "the number of elements isn't known while tracing",
            code="P06",
            span=here(),
            mend="loop over range(x.shape[0]) in a `for` statement",
        )
    return size


install()
