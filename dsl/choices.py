"""Choices among values: one of two, and of many in a row without a deep nest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gemel.chains import MAX_ARMS
from gemel.semantics import build, ir, ops
from gemel.semantics.dtypes import INDEX
from gemel.semantics.errors import TraceError
from gemel.semantics.span import Span
from gemel.semantics.typerules import RuleError, join
from gemel.tensors import Tensor
from gemel.traced import Value
from gemel.tracer import tracer
from gemel.values import for_store, operands, truth

Test = tuple[Callable[[], Any], Span, Span]
"""A condition, evaluated when it is asked for, where it stands, and where what it chooses does."""


def conditional(arms: Sequence[tuple[Test, Callable[[], Any]]], last: Callable[[], Any]) -> Any:
    """`a if c else b if d else ...`: each condition, and what it needs, only where those before it are false."""
    t = tracer()
    outside = len(t.blocks)
    taken: list[tuple[ir.Expr, Any, list[ir.Stmt], Span]] = []
    try:
        for (condition, span, whole), arm in arms:
            test = condition()
            if isinstance(test, Tensor):
                raise TraceError("a tensor as a condition", code="P06", span=span, mend="use gm.where(c, a, b)")
            if not isinstance(test, Value):
                if not test:
                    continue
                last = arm
                break
            with t.block() as first:
                then = arm()
            taken.append((truth(test, span), then, first, whole))
            t.blocks.append([])
        value = last()
        for cond, then, first, span in reversed(taken):
            value = choose(cond, then, first, value, t.blocks.pop(), span)
        return value
    finally:
        del t.blocks[outside:]


def number_of_arm(tests: Sequence[Test]) -> tuple[Value | int, list[int]]:
    """Which of many conditions is the first that holds, -1 for none; and the numbers that this may be, in order.

    They are tested in groups, each under a test of the number so far: the nest stays flat.
    """
    t, out = tracer(), None
    live: list[int] = []
    falls: list[int] = []

    def arm(n: int) -> int:
        (falls if n < 0 else live).append(n)
        return n

    span = tests[0][1]
    for start in range(0, len(tests), MAX_ARMS):
        falls.clear()
        group = [(test, partial(arm, start + n)) for n, test in enumerate(tests[start : start + MAX_ARMS])]
        with t.block() as inner:
            number = conditional(group, partial(arm, -1))
        if out is None and not isinstance(number, Value):
            if number >= 0:
                return number, live
            continue
        open_: ir.Expr = build.boolean(True, span)
        if out is None:
            out = t.scalar("arm", INDEX, span)
        else:
            open_ = build.apply(ops.LT, ir.Load(out, (), span), build.index(0, span), span=span)
        found = (*inner, ir.Store(out, (), for_store(number, INDEX, span, "the arm"), span))
        t.blocks[-1].extend(found if isinstance(open_, ir.Const) else [ir.If(open_, found, (), span)])
        if not falls:
            break
    return (-1, [-1]) if out is None else (Value(ir.Load(out, (), span)), [-1] * bool(falls) + live)


def balanced_value(number: Value | int, live: Sequence[int], values: Sequence[Callable[[], Any]], span: Span) -> Any:
    """The value of the arm with that number, by halving what it may be."""
    if not isinstance(number, Value):
        return values[number]()
    if len(live) == 1:
        return values[live[0]]()
    middle = len(live) // 2
    with tracer().block() as first:
        then = balanced_value(number, live[:middle], values, span)
    with tracer().block() as second:
        orelse = balanced_value(number, live[middle:], values, span)
    less = build.apply(ops.LT, number.expr, build.index(live[middle], span), span=span)
    return choose(less, then, first, orelse, second, span)


def choose(cond: ir.Expr, then: Any, first: list[ir.Stmt], orelse: Any, second: list[ir.Stmt], span: Span) -> Any:
    """`then if cond else orelse`; a branch where either side needs statements of its own.

    Raises TraceError where the two are not both numbers.
    """
    if then is orelse and not first and not second:
        return then
    if isinstance(then, tuple) and isinstance(orelse, tuple) and len(then) == len(orelse) and not (first or second):
        pairs = zip(then, orelse, strict=True)
        return tuple(choose(cond, a, [], b, [], span) for a, b in pairs)
    if any(isinstance(x, Tensor) or (isinstance(x, np.ndarray) and x.shape) for x in (then, orelse)):
        mend = "choose by element: gm.where(condition, a, b)"
        raise TraceError("a choice between tensors", code="P11", span=span, mend=mend)
    a, b = operands((then, orelse), span)
    if not first and not second:
        return Value(build.apply(ops.SELECT, cond, a, b, span=span))
    try:
        dtype = join(a.dtype, b.dtype)
    except RuleError as error:
        raise build.refused(error, (a, b), span) from None
    out = tracer().scalar("chosen", dtype, span)
    first.append(ir.Store(out, (), build.convert(a, dtype), span))
    second.append(ir.Store(out, (), build.convert(b, dtype), span))
    tracer().emit(ir.If(cond, tuple(first), tuple(second), span))
    return Value(ir.Load(out, (), span))
