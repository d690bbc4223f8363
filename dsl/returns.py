"""`return` under conditions of the kernel: a flag, and variables that hold what is returned."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from gemel import broadcasting, tensors
from gemel.scope import Frame, Returns, without_unread
from gemel.semantics import build, ir
from gemel.semantics.dtypes import BOOL, DType
from gemel.semantics.errors import TraceError, TypeCheckError
from gemel.semantics.span import Span
from gemel.semantics.traverse import map_body
from gemel.semantics.typerules import RuleError, join
from gemel.stores import nest
from gemel.tensors import Tensor
from gemel.traced import Value
from gemel.tracer import tracer
from gemel.values import as_expr, described


def record_return(frame: Frame, value: Any, span: Span) -> None:
    """Notes a return that not every run takes.

    Raises TraceError where the returns of a function don't agree in number and shape.
    """
    returns = frame.returns
    if returns is None:
        raise TraceError("a return outside of a function", code="P01", span=span)
    parts = list(value) if isinstance(value, tuple) else ([] if value is None else [value])
    shape = len(parts) if isinstance(value, tuple) else None
    if returns.flag.stored and (shape != returns.tuple_of or len(parts) != len(returns.buffers)):
        raise TraceError(
            "the returns of this function differ in number",
            code="P11",
            span=span,
            mend="return as many values in each place",
            notes=[("another return", returns.first or span)],
        )
    if not returns.flag.stored:
        returns.tuple_of, returns.first = shape, span
        returns.buffers = [_provisional(p, span) for p in parts]
    for buffer, part in zip(returns.buffers, parts, strict=True):
        _store(returns, buffer, part, span)
    returns.flag.set(span)


def _provisional(part: Any, span: Span) -> ir.Buffer:
    shape = part.shape_exprs if isinstance(part, Tensor) else ()
    if not isinstance(part, Tensor | Value | bool | int | float | np.generic):
        raise TraceError(
            f"a conditional return of {described(part)}", code="P11", span=span, mend="return tensors and numbers"
        )
    if any(not isinstance(s, ir.Const | ir.Ref) for s in shape):
        raise TraceError(
            "a conditional return of a tensor whose size is computed",
            code="P11",
            span=span,
            mend="return it at the end",
        )
    return ir.Buffer("result", BOOL, shape, span)


def _store(returns: Returns, buffer: ir.Buffer, part: Any, span: Span) -> None:
    stores = returns.stores.setdefault(buffer, [])

    def put(at: tensors.Indices, e: ir.Expr) -> None:
        stores.append((e, span))
        tracer().emit(ir.Store(buffer, at, e, span))

    if buffer.rank != (part.rank if isinstance(part, Tensor) else 0):
        raise TraceError(
            "what this function returns differs in rank",
            code="P11",
            span=span,
            mend="return numbers in each place, or tensors of one shape",
            notes=[("another return", returns.first or span)],
        )
    if isinstance(part, Tensor):
        for a, b in zip(part.shape_exprs, buffer.shape, strict=True):
            broadcasting.require_same(b, a, span)
        nest(buffer.shape, lambda at: put(at, part.element(at)), span)
    else:
        put((), as_expr(part, span))


def finish_returns(frame: Frame, node: ast.FunctionDef, start: int, open_end: bool) -> Any:
    """What the call gives; declares flag and variables at the start of the function's statements.

    Raises TraceError where some path returns a value and another none.
    """
    returns, t, span = frame.returns, tracer(), frame.span(node)
    if returns is None or not returns.flag.stored:
        return frame.result
    t.returned = None
    if open_end and returns.buffers:
        raise TraceError(
            f"{node.name} may end without a return",
            code="P03",
            span=span,
            mend="return a value at the end too",
            notes=[("it returns a value here", returns.first or span)],
        )
    types = {b: _joined(es) for b, es in returns.stores.items()}
    final = {b: ir.Buffer(b.hint, types[b], b.shape, b.span) for b in returns.buffers}

    def settle(s: ir.Stmt) -> ir.Stmt:
        if isinstance(s, ir.Store) and s.buffer in final:
            new = final[s.buffer]
            return ir.Store(new, s.indices, build.convert(s.value, new.dtype), s.span)
        return s

    block = t.blocks[-1]
    body = map_body(without_unread(block[start:], [returns.flag]), stmt=settle)
    declared = [*(ir.Alloc(b, span) for b in final.values()), *returns.flag.cleared(span)]
    block[start:] = [*declared, *body]
    results = tuple(_result(final[b], span) for b in returns.buffers)
    if returns.tuple_of is not None:
        return results
    return results[0] if results else None


def _joined(values: list[tuple[ir.Expr, Span]]) -> DType:
    (first, at), *rest = [v for v in values if not isinstance(v[0], ir.Const)] or values
    dtype = first.dtype
    for e, span in (*rest, *values):
        try:
            dtype = join(dtype, e.dtype, "a return")
        except RuleError as error:
            refused = build.refused(error, (first, e), span)
            raise TypeCheckError(
                refused.what, code=error.code, span=span, mend=refused.mend, notes=[("another return", at)]
            ) from None
    return dtype


def _result(b: ir.Buffer, span: Span) -> Any:
    return tensors.of_buffer(b) if b.rank else Value(ir.Load(b, (), span))
