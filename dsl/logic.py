"""`and` and `or` of a kernel's values: truth where a condition stands, else one of the two, as in Python."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NoReturn

from gemel.choices import choose
from gemel.scope import Frame
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import BOOL, BoolType
from gemel.semantics.errors import TraceError
from gemel.tensors import Tensor
from gemel.traced import Value
from gemel.tracer import tracer
from gemel.values import truth

Evaluate = Callable[[ast.expr, Frame], Any]


def boolop(node: ast.BoolOp, frame: Frame, evaluate: Evaluate) -> Any:
    """The value of `and` or `or`; what an operand needs is done only where it is asked for."""
    is_and = isinstance(node.op, ast.And)
    value = evaluate(node.values[0], frame)
    for n, rest in enumerate(node.values[1:]):
        if isinstance(value, Tensor):
            _refuse(node, n, frame)
        if isinstance(value, Value):
            value, decided = _two(is_and, value, node, rest, frame, evaluate)
            if decided:
                return value
        elif bool(value) != is_and:
            return value
        else:
            value = evaluate(rest, frame)
    return value


def _refuse(node: ast.BoolOp, n: int, frame: Frame) -> NoReturn:
    word, sign = ("and", "&") if isinstance(node.op, ast.And) else ("or", "|")
    parts = f" {sign} ".join(f"({ast.unparse(v)})" for v in node.values)
    raise TraceError(
        f"a tensor in `{word}`: it has many truth values",
        code="P06",
        span=frame.span(node.values[n]),
        mend=f"combine the elements: {parts}",
    )


def _two(
    is_and: bool, first: Value, node: ast.BoolOp, rest: ast.expr, frame: Frame, evaluate: Evaluate
) -> tuple[Value, bool]:
    """`first and rest`. Also whether nothing more is asked."""
    with tracer().block() as inner:
        second = evaluate(rest, frame)
    decided = not isinstance(second, Value) and bool(second) != is_and
    numbers = [x for x in (first, second) if not isinstance(x, bool) and not _is_bool(x)]
    if numbers and node not in frame.source.tests:
        return _chosen(is_and, first, second, inner, node, frame), False
    return _truth(is_and, truth(first, frame.span(node)), second, inner, rest, frame), decided


def _is_bool(x: object) -> bool:
    return isinstance(x, Value) and isinstance(x.dtype, BoolType)


def _chosen(is_and: bool, first: Value, second: Any, inner: list[ir.Stmt], node: ast.BoolOp, frame: Frame) -> Value:
    """One of two numbers, by whether the first is true."""
    span = frame.span(node)
    kept = Value(tracer().let(first.expr, "first"))
    test = truth(kept, span)
    chosen = choose(test, second, inner, kept, [], span) if is_and else choose(test, kept, [], second, inner, span)
    return chosen if isinstance(chosen, Value) else kept


def _truth(is_and: bool, first: ir.Expr, second: Any, inner: list[ir.Stmt], rest: ast.expr, frame: Frame) -> Value:
    span = frame.span(rest)
    outer = list(inner)
    with tracer().block() as more:
        second_truth = truth(second, span) if isinstance(second, Value) else build.boolean(bool(second), span)
    outer += more
    if not outer:
        return Value(build.apply(ops.LAND if is_and else ops.LOR, first, second_truth, span=span))
    out = tracer().scalar("both" if is_and else "either", BOOL, span)
    early = (ir.Store(out, (), build.boolean(not is_and, span), span),)
    late = (*outer, ir.Store(out, (), second_truth, span))
    tracer().emit(ir.If(first, late if is_and else early, early if is_and else late, span))
    return Value(ir.Load(out, (), span))
