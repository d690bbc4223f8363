"""The op tower: elementary functions as straight-line IR of smaller ops, one definition for every engine.

f64 and f32 have one definition, with coefficients for each; the narrower formats are converted to f32 on the way in and
back on the way out, which rounds twice and stays within one unit in the last place. The interpreter evaluates a
definition by the meanings of its ops, a back end expands it, so all agree bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from gemel.semantics import ops
from gemel.semantics.convert import Value
from gemel.semantics.dtypes import F32, F64, FloatType
from gemel.semantics.ir import Apply, Const, Expr, Load, Ref, Var
from gemel.semantics.tower import error, exponential, logarithm, power, roots, trigonometric
from gemel.semantics.tower.formula import Body, Definition, Formula, X, defined

__all__ = ["Definition", "definition", "evaluate", "runner"]

_BODIES: dict[ops.Op, Body] = {
    ops.EXP: exponential.exp,
    ops.EXP2: exponential.exp2,
    ops.LOG: logarithm.log,
    ops.LOG2: logarithm.log2,
    ops.TANH: exponential.tanh,
    ops.SIGMOID: exponential.sigmoid,
    ops.ERF: error.erf,
    ops.POW: power.pow_,
    ops.RSQRT: roots.rsqrt,
    ops.RECIPROCAL: roots.reciprocal,
}
_QUADRANT = {ops.SIN: 0, ops.COS: 1}


@cache
def definition(op: ops.Op, dtype: FloatType) -> Definition:
    """The definition of an elementary op at a float format."""
    if dtype not in (F32, F64):
        return defined(op.name, _by_f32(op, dtype), op.arity, dtype)
    if op in _QUADRANT:
        return trigonometric.sine(op.name, _QUADRANT[op], dtype)
    return defined(op.name, _BODIES[op], op.arity, dtype)


def _by_f32(op: ops.Op, dtype: FloatType) -> Body:
    def body(f: Formula, *xs: X) -> X:
        return f.apply(op, *(x.to(F32) for x in xs)).to(dtype)

    return body


Step = tuple[Var, Callable[[dict[Var, Value]], Value]]


@cache
def _function(op: ops.Op, dtype: FloatType) -> Callable[[tuple[Value, ...]], Value]:
    return runner(definition(op, dtype))


def evaluate(op: ops.Op, dtype: FloatType, values: tuple[Value, ...]) -> Value:
    """The value of an elementary op: its definition run on the meanings of its ops."""
    return _function(op, dtype)(values)


def _run(made: Definition, steps: tuple[Step, ...], values: tuple[Value, ...]) -> Value:
    env: dict[Var, Value] = dict(zip(made.params, values, strict=True))
    for var, run in steps:
        env[var] = run(env)
    if made.rare is not None and made.otherwise is not None and _runner(made.rare)(env):
        return _run(made.otherwise, tuple((let.var, _runner(let.value)) for let in made.otherwise.lets), values)
    return _runner(made.result)(env)


def runner(made: Definition) -> Callable[[tuple[Value, ...]], Value]:
    """A function that runs a definition on the meanings of its ops."""
    steps = tuple((let.var, _runner(let.value)) for let in made.lets)
    return lambda values: _run(made, steps, values)


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
