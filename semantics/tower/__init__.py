"""The op tower: elementary functions as straight-line IR of smaller ops, one definition for every engine.

f64 and f32 have definitions of their own (pow has one, in f64); the narrower formats are converted to f32 on the way in
and back on the way out, which rounds twice and stays within one unit in the last place. The interpreter evaluates a definition by the meanings of its ops, a back end
expands it, so all agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from gemel.semantics import ops
from gemel.semantics.convert import Value
from gemel.semantics.dtypes import F32, F64, FloatType
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.tower import (
    error,
    error32,
    exponential,
    exponential32,
    logarithm,
    logarithm32,
    roots,
    trigonometric,
    trigonometric32,
)
from gemel.semantics.tower.formula import Definition, Formula, X, defined

__all__ = ["Definition", "definition", "evaluate"]

_F64: dict[str, Callable[[], Definition]] = {
    "exp": lambda: defined("exp", exponential.exp, 1),
    "exp2": lambda: defined("exp2", exponential.exp2, 1),
    "log": lambda: defined("log", logarithm.log, 1),
    "log2": lambda: defined("log2", logarithm.log2, 1),
    "tanh": lambda: defined("tanh", exponential.tanh, 1),
    "sigmoid": lambda: defined("sigmoid", exponential.sigmoid, 1),
    "erf": lambda: defined("erf", error.erf, 1),
    "sin": lambda: trigonometric.sine("sin", 0),
    "cos": lambda: trigonometric.sine("cos", 1),
    "pow": lambda: defined("pow", logarithm.pow_, 2),
    "rsqrt": lambda: defined("rsqrt", roots.rsqrt, 1),
    "reciprocal": lambda: defined("reciprocal", roots.reciprocal, 1),
}

_F32: dict[str, Callable[[], Definition]] = {
    "exp": lambda: defined("exp", exponential32.exp, 1, F32),
    "exp2": lambda: defined("exp2", exponential32.exp2, 1, F32),
    "log": lambda: defined("log", logarithm32.log, 1, F32),
    "log2": lambda: defined("log2", logarithm32.log2, 1, F32),
    "tanh": lambda: defined("tanh", exponential32.tanh, 1, F32),
    "sigmoid": lambda: defined("sigmoid", exponential32.sigmoid, 1, F32),
    "erf": lambda: defined("erf", error32.erf, 1, F32),
    "sin": lambda: trigonometric32.sine("sin", 0),
    "cos": lambda: trigonometric32.sine("cos", 1),
    "pow": lambda: _through(ops.POW, F32, F64),
    "rsqrt": lambda: defined("rsqrt", roots.rsqrt, 1, F32),
    "reciprocal": lambda: defined("reciprocal", roots.reciprocal, 1, F32),
}


@cache
def definition(op: ops.Op, dtype: FloatType) -> Definition:
    """The definition of an elementary op at a float format."""
    if dtype in (F32, F64):
        return (_F32 if dtype == F32 else _F64)[op.name]()
    return _through(op, dtype, F32)


def _through(op: ops.Op, dtype: FloatType, wide: FloatType) -> Definition:
    """An op at a format by way of a wider one."""

    def body(f: Formula, *xs: X) -> X:
        return f.apply(op, *(x.to(wide) for x in xs)).to(dtype)

    return defined(op.name, body, op.arity, dtype)


Step = tuple[Var, Callable[[dict[Var, Value]], Value]]


@cache
def _steps(op: ops.Op, dtype: FloatType) -> tuple[Definition, tuple[Step, ...]]:
    made = definition(op, dtype)
    return made, tuple((let.var, _runner(let.value)) for let in made.lets)


def evaluate(op: ops.Op, dtype: FloatType, values: tuple[Value, ...]) -> Value:
    """The value of an elementary op: its definition run on the meanings of its ops."""
    made, steps = _steps(op, dtype)
    return _run(made, steps, values)


def _run(made: Definition, steps: tuple[Step, ...], values: tuple[Value, ...]) -> Value:
    env: dict[Var, Value] = dict(zip(made.params, values, strict=True))
    for var, run in steps:
        env[var] = run(env)
    if made.rare is not None and made.otherwise is not None and _runner(made.rare)(env):
        return _run(made.otherwise, tuple((let.var, _runner(let.value)) for let in made.otherwise.lets), values)
    return _runner(made.result)(env)


def _runner(e: Expr) -> Callable[[dict[Var, Value]], Value]:
    match e:
        case Const():
            return lambda env: e.value
        case Ref():
            return lambda env: env[e.var]
        case Load():
            table = np.asarray(e.buffer.data)
            (at,) = (_runner(i) for i in e.indices)
            return lambda env: table[int(at(env))].item()
        case Apply():
            args = [_runner(a) for a in e.args]
            types = tuple(a.dtype for a in e.args)
            return lambda env: e.op.meaning(e.dtype, types, tuple(a(env) for a in args))
