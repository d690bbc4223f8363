"""The op table: name, type rule, exact meaning on Python values, algebraic flags.

An op is a row here, not a class; passes and back ends compare ops by identity (`op is ops.ADD`) and hold one table
each, keyed by op. A meaning gets the result type, the operand types and the operand values (held as `dtypes` says)
and returns the value, which the result type always holds: integer meanings are exact, float meanings round once.
Meanings are total, so that hardware may evaluate ahead: division by zero gives 0 (and `x % 0` gives 0), a negative
shift amount counts as 0. A guard reports these before. NaN is one value: what reads a pattern sees `FloatType.nan`, the
quiet one without sign (docs/decisions/0009).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from gemel.semantics import typerules as rule
from gemel.semantics.convert import Value, cast, exact, from_bits, saturate, to_bits, wrap
from gemel.semantics.dtypes import BoolType, DType, FixedType, FloatType, IndexType, IntType, Overflow, width_of
from gemel.semantics.rounding import round_float, round_fraction

Meaning = Callable[[DType, tuple[DType, ...], tuple[Value, ...]], Value]


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A row of the table. `rule` is None where the result type is the caller's to choose (conversions).

    `symbol` is the infix notation, `lazy` says that operands after the first are evaluated only when asked for.
    """

    name: str
    arity: int
    rule: rule.Rule | None
    meaning: Meaning
    symbol: str = ""
    commutative: bool = False
    associative: bool = False
    lazy: bool = False

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _row, (self.name,)


def _row(name: str) -> Op:
    """What a pickled op is again: the row of that name, so that it compares by identity."""
    return TABLE[name]


# ------------------------------------------------------------------------------------------------------------ meanings


def _arith(on_numbers: Callable[[Fraction, Fraction], Fraction], on_floats: Callable[[float, float], float]) -> Meaning:
    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        a, b = values
        if isinstance(dtype, FloatType):
            return round_float(on_floats(a, b), dtype)
        if isinstance(dtype, FixedType):
            number = on_numbers(exact(a, types[0]), exact(b, types[1])) * Fraction(2) ** dtype.frac
            return _fit(int(number), dtype)
        return _fit(int(on_numbers(a, b)), dtype)  # type: ignore[arg-type]

    return meaning


def _fit(value: int, dtype: DType) -> int:
    """An integer or raw value in the range of a narrowed result type; a no-op at the type that the rule gives."""
    match dtype:
        case IntType() | IndexType():
            return wrap(value, dtype)
        case FixedType():
            return wrap(value, dtype.raw)
        case BoolType() | FloatType():
            return value


def _ints(function: Callable[..., int]) -> Meaning:
    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        return _fit(function(*(int(v) for v in values)), dtype)

    return meaning


def _bitwise(function: Callable[[int, int], int]) -> Meaning:
    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        result = function(int(values[0]), int(values[1]))
        return bool(result) if isinstance(dtype, BoolType) else _fit(result, dtype)

    return meaning


def _floats(function: Callable[..., float]) -> Meaning:
    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        if not isinstance(dtype, FloatType):
            raise TypeError(f"a float op at {dtype}")
        return round_float(function(*values), dtype)

    return meaning


def _compare(function: Callable[[Fraction | float, Fraction | float], bool]) -> Meaning:
    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        if isinstance(types[0], FloatType):
            return function(values[0], values[1])
        return function(exact(values[0], types[0]), exact(values[1], types[1]))

    return meaning


def _divide(a: float, b: float) -> float:
    if b == 0.0:
        sign = math.copysign(1.0, a) * math.copysign(1.0, b)
        return math.nan if a == 0.0 or math.isnan(a) else math.copysign(math.inf, sign)
    return a / b


def _times(a: float, b: float) -> float:
    return a * b


def _neg(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    return -values[0] if isinstance(dtype, FloatType) else _fit(-int(values[0]), dtype)


def _abs(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    return math.fabs(values[0]) if isinstance(dtype, FloatType) else _fit(abs(int(values[0])), dtype)


def _choose(least: bool) -> Meaning:
    """min and max. For floats as in IEEE 754-2019 minimum/maximum: NaN wins, -0.0 is below 0.0."""

    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        a, b = values
        if isinstance(dtype, FloatType):
            if math.isnan(a) or math.isnan(b):
                return math.nan
            first = (a, math.copysign(1.0, a)) < (b, math.copysign(1.0, b))
        else:
            first = exact(a, types[0]) < exact(b, types[1])
        which = 0 if first == least else 1
        return cast(values[which], types[which], dtype)

    return meaning


def _select(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    which = 1 if values[0] else 2
    return cast(values[which], types[which], dtype)


def _fma(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    a, b, c = values
    if not isinstance(dtype, FloatType):
        raise TypeError(f"fma at {dtype}")
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return c if math.isfinite(a) and math.isfinite(b) else _times(a, b) + c
    number = Fraction(a) * Fraction(b) + Fraction(c)
    if number == 0:
        return _zero_sum(math.copysign(1.0, a) * math.copysign(1.0, b), a == 0 or b == 0, c)
    return round_fraction(number, dtype)


def _fma_flush(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    flushed = tuple(_flushed(v, dtype) for v in values)
    return _flushed(_fma(dtype, types, flushed), dtype)


def _flushed(value: Value, dtype: DType) -> Value:
    """A float, or the zero of its sign where it is subnormal."""
    subnormal = isinstance(dtype, FloatType) and abs(value) < 2.0 ** (1 - dtype.bias)
    return math.copysign(0.0, value) if subnormal else value


def _zero_sum(product_sign: float, product_zero: bool, c: float) -> float:
    """The zero that a*b + c gives: exact cancellation is +0.0, equal signs keep theirs."""
    if product_zero and c == 0 and product_sign == math.copysign(1.0, c):
        return math.copysign(0.0, c)
    return 0.0


def _cast(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    return cast(values[0], types[0], dtype)


def _saturate(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    return saturate(values[0], types[0], dtype)


def _bitcast(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    return from_bits(to_bits(values[0], types[0]), dtype)


def _bits(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    hi, lo = int(values[1]), int(values[2])
    return to_bits(values[0], types[0]) >> lo & ((1 << (hi - lo + 1)) - 1)


def _concat(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
    result = 0
    for value, dt in zip(values, types, strict=True):
        result = result << width_of(dt) | to_bits(value, dt)
    return result


def _shl(a: int, amount: int) -> int:
    return a << max(amount, 0)


def _shr(a: int, amount: int) -> int:
    return a >> max(amount, 0)


def _sqrt(a: float) -> float:
    return math.sqrt(a) if a >= 0 else math.nan


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda a: math.copysign(float(function(a)), a) if math.isfinite(a) else a


# --------------------------------------------------------------------------------------------------------------- rows

ADD = Op("add", 2, rule.add, _arith(lambda a, b: a + b, lambda a, b: a + b), "+", True, True)
SUB = Op("sub", 2, rule.sub, _arith(lambda a, b: a - b, lambda a, b: a - b), "-")
MUL = Op("mul", 2, rule.mul, _arith(lambda a, b: a * b, _times), "*", True, True)
DIV = Op(
    "div", 2, rule.floats_only("/", "use // for integers, or cast first: gm.cast({0}, f32)"), _floats(_divide), "/"
)
FLOORDIV = Op("floordiv", 2, rule.floordiv, _ints(lambda a, b: a // b if b else 0), "//")
MOD = Op("mod", 2, rule.mod, _ints(lambda a, b: a % b if b else 0), "%")
NEG = Op("neg", 1, rule.neg, _neg)
ABS = Op("abs", 1, rule.absolute, _abs)
MIN = Op("min", 2, rule.both("min"), _choose(True), "", True, True)
MAX = Op("max", 2, rule.both("max"), _choose(False), "", True, True)
FMA = Op("fma", 3, rule.floats_only("fma", "write a * b + c"), _fma)
FMA_FLUSH = Op("fma_flush", 3, rule.floats_only("fma_flush", "write a * b + c"), _fma_flush)
"""a * b + c rounded once, where operands and results that are subnormal are zeros: bf16 units of CPUs do that."""

SQRT = Op("sqrt", 1, rule.floats_only("sqrt", "cast it first: gm.cast({0}, f32)"), _floats(_sqrt))
FLOOR = Op("floor", 1, rule.floats_only("floor", "an integer is its own floor"), _floats(_whole(math.floor)))
CEIL = Op("ceil", 1, rule.floats_only("ceil", "an integer is its own ceiling"), _floats(_whole(math.ceil)))
TRUNC = Op("trunc", 1, rule.floats_only("trunc", "an integer needs no truncation"), _floats(_whole(math.trunc)))
RINT = Op("rint", 1, rule.floats_only("round", "an integer needs no rounding"), _floats(_whole(round)))


def _elementary(name: str) -> Op:
    """An elementary function; the op tower has its definition, which is its meaning."""
    arity = 2 if name == "pow" else 1

    def meaning(dtype: DType, types: tuple[DType, ...], values: tuple[Value, ...]) -> Value:
        from gemel.semantics import tower

        if not isinstance(dtype, FloatType):
            raise TypeError(f"{name} at {dtype}")
        return tower.evaluate(TABLE[name], dtype, values)

    mend = (
        "of integers, ** takes a known exponent from 0 to 64" if name == "pow" else "cast it first: gm.cast({0}, f32)"
    )
    return Op(name, arity, rule.floats_only(name, mend), meaning)


EXP = _elementary("exp")
EXP2 = _elementary("exp2")
LOG = _elementary("log")
LOG2 = _elementary("log2")
TANH = _elementary("tanh")
ERF = _elementary("erf")
SIGMOID = _elementary("sigmoid")
SIN = _elementary("sin")
COS = _elementary("cos")
POW = _elementary("pow")
RSQRT = _elementary("rsqrt")
RECIPROCAL = _elementary("reciprocal")
ELEMENTARY = (EXP, EXP2, LOG, LOG2, TANH, ERF, SIGMOID, SIN, COS, POW, RSQRT, RECIPROCAL)
"""The ops that the op tower defines by smaller ones."""

AND = Op("and", 2, rule.bitwise("&"), _bitwise(lambda a, b: a & b), "&", True, True)
OR = Op("or", 2, rule.bitwise("|"), _bitwise(lambda a, b: a | b), "|", True, True)
XOR = Op("xor", 2, rule.bitwise("^"), _bitwise(lambda a, b: a ^ b), "^", True, True)
INVERT = Op("invert", 1, rule.invert, _ints(lambda a: ~a))
SHL = Op("shl", 2, rule.shl, _ints(_shl), "<<")
SHR = Op("shr", 2, rule.shr, _ints(_shr), ">>")
BITS = Op("bits", 3, rule.bits, _bits)
CONCAT = Op("concat", 2, rule.concat, _concat)

EQ = Op("eq", 2, rule.compare, _compare(operator.eq), "==", True)
NE = Op("ne", 2, rule.compare, _compare(operator.ne), "!=", True)
LT = Op("lt", 2, rule.compare, _compare(operator.lt), "<")
LE = Op("le", 2, rule.compare, _compare(operator.le), "<=")
GT = Op("gt", 2, rule.compare, _compare(operator.gt), ">")
GE = Op("ge", 2, rule.compare, _compare(operator.ge), ">=")
RELATIONS: dict[Op, Callable[[Any, Any], Any]] = {
    EQ: operator.eq,
    NE: operator.ne,
    LT: operator.lt,
    LE: operator.le,
    GT: operator.gt,
    GE: operator.ge,
}
"""The comparisons, of numbers and of whatever else has Python's operators."""

LAND = Op("land", 2, rule.logical, lambda t, ts, v: bool(v[0] and v[1]), "and", lazy=True)
LOR = Op("lor", 2, rule.logical, lambda t, ts, v: bool(v[0] or v[1]), "or", lazy=True)
LNOT = Op("lnot", 1, rule.logical, lambda t, ts, v: not v[0])
SELECT = Op("select", 3, rule.select, _select, lazy=True)

CAST = Op("cast", 1, None, _cast)
NARROW = Op("narrow", 1, None, _cast)
SATURATE = Op("saturate", 1, None, _saturate)
BITCAST = Op("bitcast", 1, None, _bitcast)

NARROWING = (CAST, NARROW)
"""Conversions that wrap: `cast` on purpose, `narrow` where a store's type asks for it; losing the value is a mistake.

`guard` turns every `narrow` into a `cast`, so back ends never see one.
"""

TABLE: dict[str, Op] = {row.name: row for row in list(globals().values()) if isinstance(row, Op)}
"""Every op by name."""

COST = dict.fromkeys(ELEMENTARY, 50) | dict.fromkeys((DIV, SQRT, FLOORDIV, MOD), 10)
"""How many additions an op takes as long as, where that is more than one: a rough measure."""

REDUCIBLE = (ADD, MUL, MIN, MAX, AND, OR, XOR)
"""The ops that a `Reduce` may have."""


def may_reduce(op: Op, dtype: DType) -> bool:
    """Whether `op` at `dtype` is associative and commutative (for floats: by the language's order-free sums)."""
    if op not in REDUCIBLE:
        return False
    match dtype:
        case FloatType():
            return op in (ADD, MUL, MIN, MAX)
        case FixedType():
            return op in (MIN, MAX) or (op is ADD and dtype.overflow is Overflow.WRAP)
        case BoolType():
            return op in (AND, OR, XOR)
        case IntType() | IndexType():
            return True


def accumulate(op: Op, dtype: DType, old: Value, value: Value) -> Value:
    """What a `Reduce` leaves in an element that held `old`: the result brought back to `dtype`, integers wrapped."""
    return op.meaning(dtype, (dtype, dtype), (old, value))
