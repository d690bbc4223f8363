"""Float operators as functions of unsigned words: the op tower's last step, for what has no floats of its own.

`definition` gives a function from the patterns of the operands to that of the result, in integer ops only, with the
meaning that the op table has: one rounding to nearest even, subnormals, infinities. Any NaN is taken for one; what an
operator makes is the quiet one without sign, only signs and choices hand on what they get.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, BoolType, DType, FloatType, IntType, as_int
from gemel.semantics.floats import conversions, order, products, sums
from gemel.semantics.floats.words import word
from gemel.semantics.ir import Buffer, Kernel, Let, Ref, Stmt, Store, Var
from gemel.semantics.span import BUILTIN
from gemel.semantics.tower.formula import Definition, Formula, X
from gemel.semantics.traverse import subexprs

Function = Callable[..., X]


def _fma_flush(t: FloatType, a: X, b: X, c: X) -> X:
    return order.flushed(t, sums.fma(t, *(order.flushed(t, x) for x in (a, b, c))))


_FUNCTIONS: dict[ops.Op, Function] = {
    ops.ADD: sums.add,
    ops.SUB: sums.subtract,
    ops.MUL: products.multiply,
    ops.DIV: products.divide,
    ops.FMA: sums.fma,
    ops.FMA_FLUSH: _fma_flush,
    ops.SQRT: products.root,
    ops.NEG: sums.negated,
    ops.ABS: order.size,
    ops.MIN: order.smaller,
    ops.MAX: order.larger,
    ops.EQ: order.equal,
    ops.NE: order.unequal,
    ops.LT: order.less,
    ops.LE: order.at_most,
    ops.GT: order.greater,
    ops.GE: order.at_least,
    ops.FLOOR: conversions.floor,
    ops.CEIL: conversions.ceil,
    ops.TRUNC: conversions.trunc,
    ops.RINT: conversions.rint,
}
"""By op: functions of the format and the operands."""


IN_PLACE = (ops.ABS, ops.MIN, ops.MAX, ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE)
"""Operators that take less than a unit's registers would."""


def is_defined(op: ops.Op) -> bool:
    """Whether an op on floats has a definition in integers."""
    return op in _FUNCTIONS or op in (ops.CAST, ops.SATURATE, ops.BITCAST)


def pattern_type(dtype: DType) -> BoolType | IntType:
    """The type of the word for a value: its pattern if it is a float, else itself."""
    if isinstance(dtype, FloatType):
        return word(dtype.width)
    whole = as_int(dtype)
    if isinstance(dtype, BoolType) or whole is None:
        return BOOL
    return whole


@cache
def definition(op: ops.Op, source: DType, target: DType) -> Definition:
    """The function for an op with operands of type `source` and a result of type `target`."""
    function = _converter(source, target) if op in (ops.CAST, ops.SATURATE) else _function(op, source)
    f = Formula()
    params = tuple(Var(hint, pattern_type(source), BUILTIN) for hint in "abc"[: op.arity])
    result = function(*(X(Ref(p, BUILTIN), f) for p in params)).to(pattern_type(target))
    name = f"{source}_{op.name}" if target in (source, BOOL) else f"{source}_to_{target}"
    return Definition(name, params, _alive(f.lets, result), result.expr)


@cache
def scaling(t: FloatType) -> Definition:
    """The function x * 2**k of a normal number and a whole one: what `Definition.scaled` of the op tower asks for."""
    f = Formula()
    params = tuple(Var(hint, word(t.width), BUILTIN) for hint in "ab")
    result = products.scaled(t, *(X(Ref(p, BUILTIN), f) for p in params))
    return Definition(f"{t}_scale", params, _alive(f.lets, result), result.expr)


def _function(op: ops.Op, source: DType) -> Function:
    if not isinstance(source, FloatType) or not is_defined(op):
        raise TypeError(f"{op.name} of {source}")
    return partial(order.one_nan if op is ops.BITCAST else _FUNCTIONS[op], source)


def _converter(source: DType, target: DType) -> Function:
    whole = as_int(source if isinstance(target, FloatType) else target)
    if isinstance(source, FloatType) and isinstance(target, FloatType):
        return partial(conversions.to_format, source, target)
    if isinstance(source, FloatType) and isinstance(target, BoolType):
        return partial(conversions.to_bool, source)
    if isinstance(source, FloatType) and whole is not None:
        return partial(conversions.to_integer, source, whole)
    if isinstance(target, FloatType) and whole is not None:
        return lambda x: conversions.from_integer(whole, target, x.to(whole))
    raise TypeError(f"{source} to {target}")


def _alive(lets: list[Let], result: X) -> tuple[Let, ...]:
    """The lets that the result needs."""
    needed = {e.var for e in subexprs(result.expr) if isinstance(e, Ref)}
    kept = []
    for let in reversed(lets):
        if let.var in needed:
            kept.append(let)
            needed |= {e.var for e in subexprs(let.value) if isinstance(e, Ref)}
    return tuple(reversed(kept))


def kernel(op: ops.Op, source: DType, target: DType) -> Kernel:
    """The function as a kernel of words with a result of rank 0; its text is IR like any other."""
    made = definition(op, source, target)
    out = Buffer("result", made.result.dtype, (), BUILTIN)
    body: tuple[Stmt, ...] = (*made.lets, Store(out, (), made.result, BUILTIN))
    return Kernel(made.name, (), made.params, (out,), body, BUILTIN)
