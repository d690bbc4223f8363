"""The op tower: elementary functions as straight-line IR of smaller ops, one definition for every engine.

A definition computes in f64; the narrower formats are converted on the way in and out, which rounds twice and stays
within one unit in the last place. The interpreter evaluates a definition by the meanings of its ops, a back end
expands it, so all agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from gemel.semantics import ops
from gemel.semantics.convert import Value
from gemel.semantics.dtypes import F64, FloatType
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.tower import error, exponential, logarithm, roots
from gemel.semantics.tower.formula import Definition, X, defined
from gemel.semantics.tower.trigonometric import sine

__all__ = ["Definition", "definition", "evaluate"]

_F64: dict[str, Callable[[], Definition]] = {
    "exp": lambda: defined("exp", exponential.exp, 1),
    "exp2": lambda: defined("exp2", exponential.exp2, 1),
    "log": lambda: defined("log", logarithm.log, 1),
    "log2": lambda: defined("log2", logarithm.log2, 1),
    "tanh": lambda: defined("tanh", exponential.tanh, 1),
    "sigmoid": lambda: defined("sigmoid", exponential.sigmoid, 1),
    "erf": lambda: defined("erf", error.erf, 1),
    "sin": lambda: sine("sin", 0),
    "cos": lambda: sine("cos", 1),
    "pow": lambda: defined("pow", logarithm.pow_, 2),
    "rsqrt": lambda: defined("rsqrt", roots.rsqrt, 1),
    "reciprocal": lambda: defined("reciprocal", roots.reciprocal, 1),
}


@cache
def definition(op: ops.Op, dtype: FloatType) -> Definition:
    """The definition of an elementary op at a float format."""
    if dtype == F64:
        return _F64[op.name]()
    wide = ops.TABLE[op.name]

    def through(f: object, *xs: X) -> X:
        inside = xs[0].f.apply(wide, *(x.to(F64) for x in xs))
        return inside.to(dtype)

    return defined(op.name, through, op.arity, dtype)


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
