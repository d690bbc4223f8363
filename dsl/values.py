"""Traced scalars: wrappers of IR expressions that take part in Python's operators."""

from __future__ import annotations

import ast
import contextlib
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gemel.semantics import build, ops
from gemel.semantics.dtypes import (
    BOOL,
    F16,
    F32,
    F64,
    INDEX,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    int_holding,
)
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.ir import Const, Expr
from gemel.semantics.naming import spelled
from gemel.semantics.ops import Op
from gemel.semantics.span import Span
from gemel.semantics.storage import EXTENSIONS
from gemel.semantics.typerules import holds
from gemel.traced import Traced, Value

NUMPY_TYPES: dict[str, DType] = {
    "bool": BOOL,
    **{f"int{w}": IntType(w, True) for w in (8, 16, 32, 64)},
    **{f"uint{w}": IntType(w, False) for w in (8, 16, 32, 64)},
    "float16": F16,
    "float32": F32,
    "float64": F64,
    **{name: dtype for dtype, name in EXTENSIONS.items()},
}


def meant_by(found: object) -> str:
    """The mend for a type of Python or NumPy where an element type is wanted; empty for anything else."""
    meant = {int: "i32 or i64", float: "f32 or f64", bool: "bool_"}.get(found) if isinstance(found, type) else None
    if isinstance(found, type) and issubclass(found, np.generic):
        meant = str(NUMPY_TYPES.get(found.__name__, ""))
    if found is np.ndarray:
        meant = "the element type with a shape: f32[M, N]"
    return f"write {meant}" if meant else ""


def element_type(array: np.ndarray[Any, Any]) -> DType | None:
    """The element type that an array stands for; of Python ints, the narrowest that holds them all."""
    if array.dtype == object and array.size and all(type(x) is int for x in array.flat):
        return int_holding(min(array.flat), max(array.flat))
    return NUMPY_TYPES.get(array.dtype.name)


def number(x: object) -> bool:
    """Whether `x` is a Python or NumPy number."""
    return isinstance(x, bool | int | float | np.number | np.bool_)


def is_static(x: object) -> bool:
    """Whether `x` is a plain Python number, untyped."""
    return isinstance(x, bool | int | float) and not isinstance(x, np.generic)


def as_expr(x: object, span: Span, like: DType | None = None) -> Expr:
    """A number or traced scalar as an expression; plain literals take the type `like`.

    Raises TraceError for anything else.
    """
    if isinstance(x, Traced) and (e := x.number()) is not None:
        return e
    if isinstance(x, np.generic):
        return _typed_constant(x, span)
    if isinstance(x, bool | int | float):
        return build.literal(x, span, None if isinstance(x, bool) else like)
    raise TraceError(f"{described(x)} where a number is needed", code="P10", span=span, mend=_number_mend(x))


def described(x: object) -> str:
    """A Python object in words."""
    name = getattr(x, "__name__", "")
    if x is None or isinstance(x, str):
        return repr(x)
    if isinstance(x, type) or not (callable(x) and name):
        return f"the class {name}" if isinstance(x, type) else f"a Python {type(x).__name__}"
    return f"the function {name}"


def _number_mend(x: object) -> str:
    if callable(x) and not isinstance(x, type):
        return f"call it: {getattr(x, '__name__', 'f')}(...)"
    return "pass a number or a kernel's value"


def _typed_constant(x: np.generic, span: Span) -> Const:
    dtype = NUMPY_TYPES.get(x.dtype.name)
    if dtype is None:
        raise TraceError(f"a NumPy {x.dtype} has no type in Gemel", code="P10", span=span)
    return Const(float(x) if isinstance(dtype, FloatType) else x.item(), dtype, span)


def operands(xs: tuple[object, ...], span: Span) -> tuple[Expr, ...]:
    """Numbers and traced scalars as expressions; literals take the type of the first typed one."""
    typed = [x for x in xs if not is_static(x)]
    like = as_expr(typed[0], span).dtype if typed else None
    return tuple(as_expr(x, span, like) for x in xs)


def scalar_op(op: Op, xs: tuple[object, ...], span: Span) -> Value:
    """An op on scalars."""
    if op in (ops.SHL, ops.SHR):
        a, b = (as_expr(x, span) for x in xs)
        return Value(build.apply(op, a, b, span=span))
    return Value(build.apply(op, *operands(xs, span), span=span))


def truth(x: Value, span: Span) -> Expr:
    """The bool that Python's `if` would see."""
    e = x.expr
    if isinstance(e.dtype, BoolType):
        return e
    return build.apply(ops.NE, e, build.literal(0, span, e.dtype), span=span)


def as_index(x: object, span: Span) -> Expr:
    """A number or traced integer as a subscript or loop bound.

    Raises TypeCheckError for floats and fixed point.
    """
    if isinstance(x, bool) or not isinstance(x, int | np.integer | Value):
        raise TypeCheckError(
            f"{described(x)} as an index or bound", code="T01", span=span, mend="an index is an integer"
        )
    e = build.index(int(x), span) if not isinstance(x, Value) else x.expr
    if isinstance(e.dtype, FloatType | FixedType | BoolType):
        raise TypeCheckError(
            f"{e.dtype} as an index or bound", code="T01", span=span, mend="cast it to an integer: gm.cast(x, i32)"
        )
    return build.narrow(e, INDEX, span)


def for_store(x: object, dtype: DType, span: Span, what: str) -> Expr:
    """A value converted as a store to `dtype` does: integers wrap, fixed point rounds; nothing else is lost silently.

    Raises TypeCheckError where an integer would become a float or the reverse, a float lose digits, a constant not fit.
    """
    if is_static(x):
        return _literal_for_store(x, dtype, span, what)  # type: ignore[arg-type]
    e = as_expr(x, span)
    if e.dtype == dtype:
        return e
    integral = isinstance(dtype, IntType | IndexType | FixedType)
    fits = holds(dtype, e.dtype) or (integral and not isinstance(e.dtype, FloatType) and _int_enough(e.dtype, dtype))
    if not fits:
        raise TypeCheckError(
            f"{what} is {dtype}, the value is {e.dtype}",
            code="T02" if isinstance(e.dtype, FloatType) != isinstance(dtype, FloatType) else "T03",
            span=span,
            mend=_cast_mend(e, dtype, span),
        )
    return build.narrow(e, dtype, span)


def _is_expression(text: str) -> bool:
    with contextlib.suppress(SyntaxError):
        return bool(ast.parse(text, mode="eval").body)
    return False


def _cast_mend(e: Expr, dtype: DType, span: Span) -> str:
    text = span.text() if _is_expression(span.text()) else spelled(e, span) or "x"
    return (
        f"compare it: {text} != 0"
        if isinstance(dtype, BoolType)
        else f"cast it: gm.cast({text}, {spelled_type(dtype)})"
    )


def _int_enough(source: DType, target: DType) -> bool:
    return isinstance(target, FixedType) or not isinstance(source, FixedType)


def spelled_type(dtype: DType) -> str:
    """A type as the user writes it."""
    if isinstance(dtype, IntType) and dtype.width not in (8, 16, 32, 64):
        return f"gm.{'Int' if dtype.signed else 'UInt'}({dtype.width})"
    return "bool_" if isinstance(dtype, BoolType) else str(dtype)


def _literal_for_store(x: bool | int | float, dtype: DType, span: Span, what: str) -> Expr:
    if isinstance(x, bool) and isinstance(dtype, IntType | IndexType):
        x = int(x)
    fraction = isinstance(x, float) and not isinstance(dtype, FloatType | FixedType)
    e = build.literal(x, span, None if fraction else dtype)
    if isinstance(dtype, BoolType) != isinstance(e.dtype, BoolType) or not holds(dtype, e.dtype):
        raise TypeCheckError(
            f"{x!r} doesn't fit {what}, which is {dtype}",
            code="T07",
            span=span,
            mend="use a float or fixed-point type, or a whole number"
            if fraction
            else f"use a wider type, or wrap on purpose: gm.cast({x!r}, {spelled_type(dtype)})",
        )
    return e


OPERATORS: dict[str, tuple[Op, Callable[[Any, Any], Any]]] = {
    "Add": (ops.ADD, operator.add),
    "Sub": (ops.SUB, operator.sub),
    "Mult": (ops.MUL, operator.mul),
    "Div": (ops.DIV, operator.truediv),
    "FloorDiv": (ops.FLOORDIV, operator.floordiv),
    "Mod": (ops.MOD, operator.mod),
    "BitAnd": (ops.AND, operator.and_),
    "BitOr": (ops.OR, operator.or_),
    "BitXor": (ops.XOR, operator.xor),
    "LShift": (ops.SHL, operator.lshift),
    "RShift": (ops.SHR, operator.rshift),
}
COMPARISONS: dict[str, tuple[Op, Callable[[Any, Any], Any]]] = {
    "Eq": (ops.EQ, operator.eq),
    "NotEq": (ops.NE, operator.ne),
    "Lt": (ops.LT, operator.lt),
    "LtE": (ops.LE, operator.le),
    "Gt": (ops.GT, operator.gt),
    "GtE": (ops.GE, operator.ge),
}
