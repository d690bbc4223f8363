"""Mistakes in expressions, told at the operand that causes them and in the user's words."""

from __future__ import annotations

import ast
import difflib
import types
from typing import Any, NoReturn, TypeVar

import numpy as np

from gemel.scope import Cell, Frame, declared
from gemel.semantics.dtypes import BoolType, DType, FixedType, FloatType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.tensors import Tensor
from gemel.traced import Traced, Value
from gemel.tracer import tracer
from gemel.values import described

M = TypeVar("M")

MUTATING = {"append", "extend", "insert", "pop", "remove", "clear", "update", "add", "discard", "setdefault", "popitem"}


def check_operand(x: Any, other: Any, node: ast.expr, frame: Frame) -> None:
    """Refuses an operand that is no number beside one that belongs to the kernel.

    Raises TraceError at the operand.
    """
    if not isinstance(other, Traced) or isinstance(x, Traced | bool | int | float | np.generic | np.ndarray):
        return
    named = ast.unparse(node)
    mend = f"call it: {named}(...)" if callable(x) and not isinstance(x, type) else "use a number or a kernel's value"
    kind = "a function" if getattr(x, "__name__", "") == named and not isinstance(x, type) else described(x)
    what = f"{named} is {kind}" if named != kind else named
    raise TraceError(f"{what}, where a number is needed", code="P10", span=frame.span(node), mend=mend)


def check_key(base: Any, node: ast.expr, key: Any, frame: Frame) -> None:
    """Refuses what can't be an index of a tensor, at the part of the subscript where it stands."""
    if not isinstance(base, Tensor):
        return
    nodes = node.elts if isinstance(node, ast.Tuple) else [node]
    keys = key if isinstance(key, tuple) else (key,)
    if len(nodes) == len(keys):
        for n, k in zip(nodes, keys, strict=True):
            _check_index(n, k, frame)


def _check_index(node: ast.expr, key: Any, frame: Frame) -> None:
    if isinstance(key, Tensor | np.ndarray | list) and not isinstance(node, ast.Slice):
        text = ast.unparse(node)
        mask = isinstance(key, Tensor) and isinstance(key.dtype, BoolType)
        mend = (
            f"choose by element: gm.where({text}, a, b)" if mask else f"loop over it: for k in range(n): ... {text}[k]"
        )
        raise TraceError("a tensor as an index", code="P02", span=frame.span(node), mend=mend)
    if isinstance(key, Value) and isinstance(key.dtype, FloatType | FixedType | BoolType):
        text = ast.unparse(node)
        what, mend = f"{text} is {key.dtype}, and an index is an integer", f"cast it: gm.cast({text}, i32)"
        raise TypeCheckError(what, code="T01", span=frame.span(node), mend=mend)
    if isinstance(key, bool | float | str):
        what = f"{key!r} as an index"
        raise TypeCheckError(what, code="T01", span=frame.span(node), mend="an index is an integer")


def blamed(error: TypeCheckError, nodes: list[ast.expr], frame: Frame) -> TypeCheckError:
    """The error of an operator; where an operand is a variable without a declared type, that is what to mend."""
    if error.code not in ("T02", "T03"):
        return error
    for node in nodes:
        cell = frame.locals.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(cell, Cell) and not cell.declared and isinstance(node, ast.Name):
            name, dtype = node.id, cell.buffer.dtype
            wanted = next((w for w in ("f32", "f64", "f16", "bf16") if f" {w}" in error.what), "f32")
            start = declared(name, cell.buffer.span.text(), wanted)
            return TypeCheckError(
                error.what,
                code=error.code,
                span=error.span,
                mend=f"say the type of {name} where it starts: {start}",
                notes=[(f"{name} starts here, as {dtype}", cell.buffer.span)],
            )
    return error


def no_attribute(base: Any, name: str, node: ast.Attribute, frame: Frame) -> TraceError:
    """The error for an attribute that isn't there, with the nearest one that is."""
    public = [n for n in dir(base) if not n.startswith("_")]
    if isinstance(base, types.ModuleType):
        what = f"{base.__name__} has no {name}"
    elif isinstance(base, Tensor):
        what, public = f"a tensor of a kernel has no {name}", TENSOR_METHODS
    else:
        kind = "a scalar" if isinstance(base, Value) else described(base)
        what = f"{ast.unparse(node.value)}, {kind}, has no {name}"
    close = difflib.get_close_matches(name, public, 1, 0.75 if len(public) > 30 else 0.85)
    few = ", ".join(sorted(public)) if len(public) < 30 else ""
    mend = f"did you mean {close[0]}?" if close else f"it has {few}" if few else ""
    return TraceError(what, code="P08", span=frame.span(node), mend=mend)


TENSOR_METHODS = ["T", "copy", "dtype", "shape", "transpose"]
"""What a tensor has; `expressions` adds the methods that it knows."""


def check_function(fn: Any, node: ast.Call, span: Span) -> None:
    """Refuses calls of what is no function, and of what changes a Python list where it can't.

    Raises TraceError.
    """
    if isinstance(fn, Traced) or not (callable(fn) or isinstance(fn, DType)):
        raise _not_callable(fn, node, span)
    if getattr(fn, "__name__", "") in MUTATING and isinstance(getattr(fn, "__self__", None), list | dict | set):
        refuse_change(fn.__self__, span)


def _not_callable(fn: Any, node: ast.Call, span: Span) -> TraceError:
    text = ast.unparse(node.func)
    if isinstance(fn, Tensor):
        what, mend = f"{text} is a tensor, not a function", f"write {text}[...] for an element"
    elif isinstance(fn, Traced):
        what, mend = f"{text} is a scalar, not a function", f"write {text} * (...) for a product"
    else:
        what, mend = f"{text} is {described(fn)}, not a function", ""
    return TraceError(what, code="P09", span=span, mend=mend)


def refuse_change(base: Any, span: Span) -> None:
    """Python's lists and dicts change once, while tracing: not in a loop or branch of the kernel that they outlive.

    Raises TraceError.
    """
    t = tracer()
    home = t.made.get(id(base))
    if len(t.blocks) == 1 or (home is not None and home[1] is t.blocks[-1]):
        return
    raise TraceError(
        f"a Python {type(base).__name__} changed in a loop or branch of the kernel",
        code="P02",
        span=span,
        mend="tracing would change it once, whatever the loop or branch does: use a tensor, gm.empty((n,), i32)",
        notes=[] if home is None else [(f"the {type(base).__name__} is made here", home[2])],
    )


def noted(made: M, span: Span) -> M:
    """Notes in which block a list or dict was made."""
    if isinstance(made, list | dict | set):
        t = tracer()
        t.made[id(made)] = (made, t.blocks[-1], span)
    return made


def stop(what: str, mend: str, span: Span) -> NoReturn:
    """Raises the error for an expression that a kernel can't have."""
    raise TraceError(what, code="P02", span=span, mend=mend)
