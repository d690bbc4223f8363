"""Straight-line formulas in IR: what a function of the op tower is made of.

Each operation becomes a `Let`, so that a value used twice is computed once and every operand is a name or a literal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from gemel.semantics import build, ops
from gemel.semantics.dtypes import F64, INDEX, DType, FloatType, IntType, storage_bits
from gemel.semantics.ir import Apply, Buffer, Const, Expr, Let, Load, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.rounding import round_float
from gemel.semantics.span import BUILTIN

I64, U64 = IntType(64, True), IntType(64, False)
UNNAMED = "t"
"""The hint of a value that nobody gave a name."""

LONG = 12
"""The number of terms from which on a polynomial is computed in two halves."""


@dataclass(frozen=True, eq=False)
class Definition:
    """A function by smaller ops: `result` is its value after `lets`; where `rare` holds it is that of `otherwise`.

    `otherwise` takes the same parameters; it is apart because it costs much and is seldom needed. `scaled` has values
    that are x * 2**k, rounded once, as (x, k) with k a float: some machines have an instruction for that. `numbers` are
    values that are never NaN, so that their patterns are what they are.
    """

    name: str
    params: tuple[Var, ...]
    lets: tuple[Let, ...]
    result: Expr
    rare: Expr | None = None
    otherwise: Definition | None = None
    scaled: Mapping[Var, tuple[Expr, Expr]] = field(default_factory=dict)
    numbers: Set[Var] = frozenset()


@dataclass(frozen=True, eq=False)
class X:
    """A value in a formula, with Python's operators; plain numbers take the type of the other side."""

    expr: Expr
    f: Formula

    @property
    def dtype(self) -> DType:
        """The value's type."""
        return self.expr.dtype

    def _with(self, op: Op, other: X | float, turned: bool = False) -> X:
        pair = (self.f.of(other, self.dtype), self) if turned else (self, self.f.of(other, self.dtype))
        return self.f.apply(op, *pair)

    def __add__(self, other: X | float) -> X:
        return self._with(ops.ADD, other)

    def __radd__(self, other: float) -> X:
        return self._with(ops.ADD, other, True)

    def __sub__(self, other: X | float) -> X:
        return self._with(ops.SUB, other)

    def __rsub__(self, other: float) -> X:
        return self._with(ops.SUB, other, True)

    def __mul__(self, other: X | float) -> X:
        return self._with(ops.MUL, other)

    def __rmul__(self, other: float) -> X:
        return self._with(ops.MUL, other, True)

    def __truediv__(self, other: X | float) -> X:
        return self._with(ops.DIV, other)

    def __rtruediv__(self, other: float) -> X:
        return self._with(ops.DIV, other, True)

    def __neg__(self) -> X:
        return self.f.apply(ops.NEG, self)

    def __and__(self, other: X | int) -> X:
        return self._with(ops.AND, other)

    def __or__(self, other: X | int) -> X:
        return self._with(ops.OR, other)

    def __xor__(self, other: X | int) -> X:
        return self._with(ops.XOR, other)

    def __invert__(self) -> X:
        return self.f.apply(ops.LNOT, self)

    def __rshift__(self, other: X | int) -> X:
        return self._with(ops.SHR, other)

    def __lshift__(self, other: X | int) -> X:
        return self._with(ops.SHL, other)

    def __lt__(self, other: X | float) -> X:
        return self._with(ops.LT, other)

    def __le__(self, other: X | float) -> X:
        return self._with(ops.LE, other)

    def __gt__(self, other: X | float) -> X:
        return self._with(ops.GT, other)

    def __ge__(self, other: X | float) -> X:
        return self._with(ops.GE, other)

    def equals(self, other: X | float) -> X:
        """Whether the values are equal."""
        return self._with(ops.EQ, other)

    def differs(self, other: X | float) -> X:
        """Whether the values are not equal; a NaN differs from itself."""
        return self._with(ops.NE, other)

    def called(self, hint: str) -> X:
        """The value, just computed, by a name for people."""
        last = self.f.lets[-1] if self.f.lets else None
        if last is None or not isinstance(self.expr, Ref) or last.var is not self.expr.var:
            return self
        self.f.lets.pop()
        return self.f.named(last.value, hint)

    def to(self, dtype: DType) -> X:
        """The value as another type."""
        return self if self.dtype == dtype else self.f.apply(ops.CAST, self, dtype=dtype)

    def as_bits(self, dtype: DType) -> X:
        """The pattern read as another type."""
        return self.f.apply(ops.BITCAST, self, dtype=dtype)

    def rint(self) -> X:
        """The nearest whole number, ties to even."""
        return self.f.apply(ops.RINT, self)

    def trunc(self) -> X:
        """The whole part."""
        return self.f.apply(ops.TRUNC, self)

    def abs(self) -> X:
        """The size."""
        return self.f.apply(ops.ABS, self)

    def sqrt(self) -> X:
        """The square root."""
        return self.f.apply(ops.SQRT, self)

    def is_nan(self) -> X:
        """Whether it is no number."""
        return self.differs(self)


@dataclass
class Formula:
    """Collects the operations of one definition."""

    lets: list[Let] = field(default_factory=list)
    scaled: dict[Var, tuple[Expr, Expr]] = field(default_factory=dict)
    numbers: set[Var] = field(default_factory=set)

    def of(self, value: X | float, dtype: DType) -> X:
        """A value, or a literal of a type."""
        if isinstance(value, X):
            return value
        if isinstance(dtype, FloatType):
            return X(Const(round_float(float(value), dtype), dtype, BUILTIN), self)
        return X(build.literal(int(value), BUILTIN, dtype), self)

    def named(self, e: Expr, hint: str = UNNAMED) -> X:
        """A value under a name of its own."""
        if isinstance(e, Const | Ref):
            return X(e, self)
        var = Var(hint, e.dtype, BUILTIN)
        self.lets.append(Let(var, e, BUILTIN))
        return X(Ref(var, BUILTIN), self)

    def apply(self, op: Op, *args: X, dtype: DType | None = None) -> X:
        """An op."""
        return self.named(build.apply(op, *(a.expr for a in args), span=BUILTIN, dtype=dtype))

    def fma(self, a: X | float, b: X | float, c: X | float) -> X:
        """a * b + c, rounded once."""
        like = next(x.dtype for x in (a, b, c) if isinstance(x, X))
        return self.apply(ops.FMA, *(self.of(x, like) for x in (a, b, c)))

    def where(self, cond: X, a: X | float, b: X | float) -> X:
        """One of two values."""
        like = next(x.dtype for x in (a, b) if isinstance(x, X))
        e = Apply(ops.SELECT, (cond.expr, self.of(a, like).expr, self.of(b, like).expr), like, BUILTIN)
        return self.named(e)

    def polynomial(self, x: X, coefficients: Sequence[X | float]) -> X:
        """The value at `x` of a polynomial, lowest power first, by Horner's rule.

        Of a long one, the even and the odd powers from the second on go side by side: that halves the time to wait, and
        rounding there is far below the last bit.
        """
        if len(coefficients) < LONG:
            return self._horner(x, self.of(coefficients[-1], x.dtype), coefficients[:-1])
        first, rest = coefficients[:2], coefficients[2:]
        z = x * x
        even, odd = (self._horner(z, self.of(half[-1], x.dtype), half[:-1]) for half in (rest[::2], rest[1::2]))
        return self._horner(x, self.fma(odd, x, even), first)

    def _horner(self, x: X, total: X, coefficients: Sequence[X | float]) -> X:
        for c in reversed(coefficients):
            total = self.fma(total, x, c)
        return total

    def table(self, hint: str, values: Sequence[float], dtype: DType) -> Callable[[X], X]:
        """A constant table, read at an integer that must be in range."""
        kind = "f8" if isinstance(dtype, FloatType) else f"u{storage_bits(dtype) // 8}"
        data = np.array(values, kind)
        buffer = Buffer(hint, dtype, (build.index(len(data)),), BUILTIN, data)
        return lambda at: self.named(Load(buffer, (at.to(INDEX).expr,), BUILTIN))

    def quick_sum(self, a: X | float, b: X) -> tuple[X, X]:
        """a + b and what rounding lost, where `a` is 0 or not the smaller one (Dekker)."""
        first = self.of(a, b.dtype)
        total = first + b
        return total, (first - total) + b

    def product(self, a: X, b: X | float) -> tuple[X, X]:
        """a * b and what rounding lost."""
        high = a * b
        return high, self.fma(a, b, -high)


Body = Callable[..., "X"]


def defined(name: str, body: Body, count: int, dtype: FloatType = F64) -> Definition:
    """The definition whose result `body` makes of the formula and the parameters."""
    f = Formula()
    params = tuple(Var(f"x{n}" if n else "x", dtype, BUILTIN) for n in range(count))
    result = body(f, *(X(Ref(p, BUILTIN), f) for p in params))
    return Definition(name, params, tuple(f.lets), result.expr, scaled=f.scaled, numbers=f.numbers)
