"""What names mean after a branch of the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gemel.scope import Cell, Unset
from gemel.semantics import build, ir
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import GemelError
from gemel.semantics.span import Span
from gemel.semantics.typerules import RuleError, join
from gemel.tensors import Tensor
from gemel.traced import Value
from gemel.tracer import tracer
from gemel.values import is_static, operands

Names = dict[str, Any]


def merge_branches(
    before: Names, then: Names, first: list[ir.Stmt], orelse: Names | None, second: list[ir.Stmt], span: Span
) -> Names:
    """The names after a branch whose sides ended with `then` and `orelse`; None for a side that never gets there.

    A number that differs becomes a variable that each side sets at its end (`first`, `second`).
    """
    after: Names = {}
    for name in dict.fromkeys([*then, *(orelse or {})]):
        a = then.get(name)
        b = a if orelse is None else orelse.get(name)
        missing = name not in then or (orelse is not None and name not in orelse)
        if missing:
            after[name] = Unset(f"{name} is set on one side of this branch only", span)
        elif orelse is None:
            after[name] = _exported(name, a, before.get(name), first, span)
        else:
            after[name] = _merged(name, a, b, first, second, span)
    return after


def _scalar(x: Any) -> bool:
    return isinstance(x, Value | bool | int | float | np.generic)


def _exported(name: str, x: Any, before: Any, block: list[ir.Stmt], span: Span) -> Any:
    if x is before or not isinstance(x, Value) or isinstance(x.expr, ir.Const):
        return x
    return _variable(name, x.dtype, [(block, x.expr)], span)


def _merged(name: str, a: Any, b: Any, first: list[ir.Stmt], second: list[ir.Stmt], span: Span) -> Any:
    if a is b or (is_static(a) and is_static(b) and type(a) is type(b) and a == b):
        return a
    if isinstance(a, Unset) or isinstance(b, Unset):
        return a if isinstance(a, Unset) else b
    if isinstance(a, Cell) or isinstance(b, Cell):
        return Unset(f"{name} starts as a variable on one side of this branch", span)
    if not (_scalar(a) and _scalar(b)):
        return Unset(f"{name} is a different object on each side of this branch", span, "P11", _choice(name, a, b))
    try:
        x, y = operands((a, b), span)
        dtype = join(x.dtype, y.dtype)
    except (GemelError, RuleError) as error:
        why = f"{name} has types that don't fit on the two sides of this branch: {error.what}"
        return Unset(why, span, "P11", f"cast {name} to one type on both sides")
    return _variable(name, dtype, [(first, x), (second, y)], span)


def _choice(name: str, a: Any, b: Any) -> str:
    if isinstance(a, Tensor | np.ndarray) and isinstance(b, Tensor | np.ndarray):
        return f"choose by element: {name} = gm.where(condition, a, b)"
    return f"what {name} is must be known while tracing: let both sides use their own object, and no code behind them"


def _variable(name: str, dtype: DType, sides: list[tuple[list[ir.Stmt], ir.Expr]], span: Span) -> Value:
    """A variable that each side sets; as a value, it is read where it is used, and nothing else stores to it."""
    buffer = tracer().scalar(name, dtype, span)
    for block, e in sides:
        block.append(ir.Store(buffer, (), build.convert(e, dtype), span))
    return Value(ir.Load(buffer, (), span))
