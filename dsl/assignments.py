"""Evaluation of assignments while tracing: plain, augmented and annotated ones, to names and to elements."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from gemel import arith, indexing, mistakes, stores
from gemel.expressions import binary, evaluate, evaluate_key, settle, subscript
from gemel.iteration import unpack
from gemel.scope import Cell, Frame
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import DType, TensorType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.tensors import Tensor
from gemel.traced import Traced, Value
from gemel.tracer import tracer
from gemel.values import OPERATORS, as_expr, as_index, for_store, meant_by


def assign_statement(s: ast.Assign, frame: Frame) -> None:
    """`target = value`, with several targets too."""
    hint = s.targets[0].id if isinstance(s.targets[0], ast.Name) else "t"
    with tracer().naming(_names(s)):
        value = evaluate(s.value, frame)
    if any(not isinstance(t, ast.Name) for t in s.targets):
        for target in s.targets:
            assign(target, value, frame, s)
        return
    for target in s.targets:
        assign(target, settle(value, hint, frame.span(s.value)), frame, s)


def _names(s: ast.Assign) -> list[str]:
    """What tensors that the value makes are called: `A` in `A = gm.zeros(...)`, each of `A, B = (... for ...)`."""
    target = s.targets[0]
    if isinstance(target, ast.Name):
        return [target.id] if isinstance(s.value, ast.Call) else []
    makes = isinstance(target, ast.Tuple) and isinstance(s.value, ast.Tuple | ast.GeneratorExp | ast.ListComp)
    return [e.id for e in target.elts if isinstance(e, ast.Name)] if makes else []  # type: ignore[attr-defined]


def assign(target: ast.expr, value: Any, frame: Frame, s: ast.stmt) -> None:
    """Binds or stores `value` to a target."""
    span = frame.span(s)
    match target:
        case ast.Name():
            _starts(target, frame, s)
            bind(target.id, value, frame, frame.span(getattr(s, "value", None) or s))
        case ast.Tuple() | ast.List():
            items = unpack(value, target.elts, frame.span(target))
            for t, v in zip(target.elts, items, strict=True):
                assign(t, settle(v, "item", span), frame, s)
        case ast.Subscript():
            store_element(target, value, frame, span, frame.span(s.value) if isinstance(s, ast.Assign) else span)
        case _:
            raise TraceError(
                "an assignment to an attribute",
                code="P01",
                span=frame.span(target),
                mend="use a variable or a tensor; Python objects don't change while a kernel runs",
            )


def bind(name: str, value: Any, frame: Frame, span: Span) -> None:
    """`name = value`."""
    existing = frame.locals.get(name)
    if isinstance(existing, Cell):
        if not isinstance(value, Value | bool | int | float | np.generic):
            raise TypeCheckError(
                f"{name} is a variable of type {existing.buffer.dtype}; {_kind(value)} can't be stored to it",
                code="T08",
                span=span,
                mend="use another name",
                notes=[(f"{name} starts here", existing.buffer.span)],
            )
        existing.store(value, name, span)
    else:
        frame.locals[name] = settle(value, name, span)


def _starts(target: ast.expr, frame: Frame, s: ast.stmt) -> None:
    """Notes where a name got the value that it has now, for messages."""
    if isinstance(target, ast.Name) and not isinstance(frame.locals.get(target.id), Cell):
        frame.starts[target.id] = s


def _kind(value: Any) -> str:
    return "a tensor" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def store_element(target: ast.Subscript, value: Any, frame: Frame, span: Span, at: Span) -> None:
    """`base[key] = value`; the value stands `at`."""
    base = evaluate(target.value, frame)
    key = evaluate_key(target.slice, frame)
    mistakes.check_key(base, target.slice, key, frame)
    if isinstance(base, Tensor):
        view = indexing.window(base, key, frame.span(target))
        if view.rank:
            stores.assign(view, value, span)
        else:
            _put(view, value, span, at)
    elif isinstance(base, np.ndarray):
        raise TraceError(
            "a store to a constant table", code="P02", span=span, mend="copy it first: x = gm.array(table).copy()"
        )
    elif isinstance(base, list | dict):
        mistakes.refuse_change(base, span)
        if isinstance(base, dict) and arith.is_traced(value):
            raise TraceError("a dict of a kernel's values", code="P02", span=span, mend="use a tensor")
        base[key] = settle(value, "element", span)
    else:
        base[key] = settle(value, "element", span)


def _put(view: Tensor, value: Any, span: Span, value_at: Span) -> None:
    if (isinstance(value, Tensor) and value.rank) or (isinstance(value, np.ndarray) and value.shape):
        raise TypeCheckError(
            "a tensor stored to one element",
            code="T08",
            span=value_at,
            mend="index it down to a number, or store to a slice",
        )
    name = view.buffer.hint if view.buffer else "the tensor"
    stores.put(view, (), for_store(value, view.dtype, value_at, f"an element of {name}"), span)


def augmented(s: ast.AugAssign, frame: Frame) -> None:
    """`target op= value`."""
    value = evaluate(s.value, frame)
    name = type(s.op).__name__
    span = frame.span(s)
    tracer().span = span
    if isinstance(s.target, ast.Name):
        try:
            _augment_name(s.target, name, value, frame, span)
        except TypeCheckError as error:
            raise mistakes.blamed(error, [s.target, s.value], frame) from None
        return
    if not isinstance(s.target, ast.Subscript):
        raise TraceError("this target of an assignment", code="P01", span=span)
    base = evaluate(s.target.value, frame)
    key = evaluate_key(s.target.slice, frame)
    mistakes.check_key(base, s.target.slice, key, frame)
    if not isinstance(base, Tensor):
        if isinstance(base, list | dict):
            mistakes.refuse_change(base, span)
        base[key] = settle(binary(name, subscript(base, key, span), value, span), "element", span)
        return
    view = indexing.window(base, key, frame.span(s.target))
    op = _operator(name, span)
    if view.rank:
        stores.accumulate(view, op, value, span)
    else:
        buffer, place = stores.writable(view, span)
        stores.reduce_into(buffer, place(()), op, as_expr(value, span, view.dtype), span)


def _is_number(value: Any) -> bool:
    """Whether a value is a number of Python or of the kernel, tensors of rank 0 among them."""
    if isinstance(value, Tensor):
        return not value.rank
    return isinstance(value, Value | bool | int | float | np.generic)


def _operator(name: str, span: Span) -> ops.Op:
    if name not in OPERATORS:
        raise TraceError("this assignment with an operator", code="P02", span=span, mend="write x = x op y")
    return OPERATORS[name][0]


def _augment_name(target: ast.Name, name: str, value: Any, frame: Frame, span: Span) -> None:
    found = frame.lookup(target.id, frame.span(target))
    if isinstance(found, Cell) and _is_number(value):
        op = _operator(name, span)
        e = as_expr(value, span, found.buffer.dtype if op not in (ops.SHL, ops.SHR) else None)
        found.refuse_narrowing(build.apply(op, ir.Load(found.buffer, (), span), e, span=span), target.id, span)
        stores.reduce_into(found.buffer, (), op, e, span)
    elif isinstance(found, Tensor) and found.buffer is not None:
        stores.accumulate(found, _operator(name, span), value, span)
    else:
        current = found.load(span) if isinstance(found, Cell) else found
        bind(target.id, binary(name, current, value, span), frame, span)


def annotated(s: ast.AnnAssign, frame: Frame) -> None:
    """`name: type = value`."""
    span = frame.span(s)
    if not isinstance(s.target, ast.Name):
        raise TraceError("an annotation on this target", code="P01", span=span, mend="annotate a name")
    name = s.target.id
    dtype = evaluate(s.annotation, frame)
    value = None if s.value is None else evaluate(s.value, frame)
    if isinstance(dtype, TensorType):
        _annotated_tensor(name, dtype, value, frame, span)
        return
    if not isinstance(dtype, DType):
        if meant_by(dtype) or not isinstance(value, Traced):
            raise TraceError(
                f"the annotation of {name} is no element type", code="P07", span=frame.span(s.annotation),
                mend=meant_by(dtype) or "use i32, f32, gm.Int(5), ...",
            )  # fmt: skip
        bind(name, value, frame, span)
        return
    existing = frame.locals.get(name)
    if isinstance(existing, Cell) and (existing.buffer.dtype != dtype or not existing.declared):
        raise TypeCheckError(
            f"{name} is {existing.buffer.dtype} already",
            code="T04",
            span=span,
            mend="annotate the first assignment, or use another name",
            notes=[(f"{name} starts here", existing.buffer.span)],
        )
    if value is not None and not _is_number(value):
        raise TypeCheckError(
            f"{name} is a scalar; {_kind(value)} can't be stored to it",
            code="T08",
            span=span if s.value is None else frame.span(s.value),
            mend="give it a number, or annotate a shape: f32[M, N]",
        )
    at = span if s.value is None else frame.span(s.value)
    stored = None if value is None else for_store(value, dtype, at, f"the variable {name}")
    cell = existing if isinstance(existing, Cell) else Cell(tracer().scalar(name, dtype, span), True)
    frame.locals[name] = cell
    if stored is not None:
        tracer().emit(ir.Store(cell.buffer, (), stored, span))


def _annotated_tensor(name: str, annotation: TensorType, value: Any, frame: Frame, span: Span) -> None:
    shape = [as_index(size, span) for size in annotation.shape]
    made = stores.allocate(annotation.element, shape, name, span)
    if value is not None:
        stores.assign(made, value, span)
    frame.locals[name] = made
