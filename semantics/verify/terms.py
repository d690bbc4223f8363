"""Ops of the op table as terms of z3: exact integers with an interval each, bools, nothing for floats.

Integers are unbounded in z3 and exact in Gemel, so most ops are their own terms. What wraps is the value itself where
it is known to fit, else a remainder. Products of two unknowns, shifts by unknown amounts and bit patterns are functions
that z3 knows little of, with facts about their ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import z3

from gemel.semantics import intervals, ops
from gemel.semantics.dtypes import BoolType, DType, FixedType, FloatType, width_of
from gemel.semantics.intervals import Interval
from gemel.semantics.ops import Op
from gemel.semantics.verify.unknowns import fresh_bool, fresh_int


@dataclass(frozen=True)
class Num:
    """An integer, or a fixed-point value as its raw integer; `lo` and `hi` bound it whatever the path.

    `depth` counts the ops inside one another of which z3 knows little, `size` about how many ops there are.
    """

    term: Any
    lo: int
    hi: int
    depth: int = 0
    size: int = 0

    @property
    def interval(self) -> Interval:
        """The bounds."""
        return self.lo, self.hi


LARGEST = 1_000
"""Of a value of more ops than this no more than the bounds is kept: each question about it would take as long."""
DEEPEST = 10
"""Values deeper than this are forgotten: nothing is proved of a hash, and the terms would grow without bound."""

Bool = Any
"""A z3 bool."""
Term = Num | Bool | None
"""None stands for a value of which nothing is known."""
Learn = Callable[..., None]
"""Takes in a fact that holds by definition, and the applications that it says something of."""
Proves = Callable[[Bool], bool]


def number(value: int) -> Num:
    """A literal."""
    return Num(z3.IntVal(value), value, value)


def range_of(dtype: DType) -> Interval:
    """All values of a type that isn't a float."""
    return intervals.of_type(dtype) or (0, 0)


@dataclass
class Terms:
    """Makes terms; `learn` takes definitional facts, `proves` decides whether a value fits its type here.

    With `exact` nothing wraps: sizes of parameters are such, since a call compares them exactly.
    """

    learn: Learn
    proves: Proves
    exact: bool = False

    def apply(self, op: Op, dtype: DType, types: tuple[DType, ...], args: tuple[Term, ...]) -> Term:
        """The value of an op that isn't lazy."""
        if isinstance(dtype, FloatType):
            return None
        if any(isinstance(t, FloatType | FixedType) for t in types) or isinstance(dtype, FixedType):
            return self.anything(dtype)
        if isinstance(dtype, BoolType):
            return self._truth(op, types, args)
        numbers = tuple(self.as_number(a, t) for a, t in zip(args, types, strict=True))
        if op in (*ops.NARROWING, ops.SATURATE, ops.BITCAST):
            made = self.converted(op, numbers[0], dtype)
        else:
            made = self._integer(op, dtype, types, numbers)
            depth, size = made.depth + max(n.depth for n in numbers), 1 + sum(n.size for n in numbers)
            made = self.fitted(replace(made, depth=depth, size=size), dtype)
        if made.depth > DEEPEST:
            return self.anything(dtype)
        return made if made.size <= LARGEST else self.within(made.lo, made.hi)

    def anything(self, dtype: DType) -> Term:
        """A value of which only the type is known."""
        if isinstance(dtype, FloatType):
            return None
        if isinstance(dtype, BoolType):
            return fresh_bool("any")
        return self.within(*range_of(dtype))

    def within(self, lo: int, hi: int) -> Num:
        """A number of which only bounds are known."""
        made = Num(fresh_int("any"), lo, hi)
        self.bound(made)
        return made

    def bound(self, n: Num, *about: Any) -> None:
        """Learns the interval of a term."""
        self.learn(z3.And(n.term >= n.lo, n.term <= n.hi), *about)

    def as_number(self, value: Term, dtype: DType) -> Num:
        """A bool as 0 or 1; what isn't known as something of its type."""
        if isinstance(value, Num):
            return value
        if value is None:
            made = self.anything(dtype)
            return made if isinstance(made, Num) else number(0)
        return Num(z3.If(value, z3.IntVal(1), z3.IntVal(0)), 0, 1)

    def fitted(self, n: Num, dtype: DType) -> Num:
        """The value wrapped to its type, where it doesn't fit by its interval."""
        lo, hi = range_of(dtype)
        if self.exact or (lo <= n.lo and n.hi <= hi):
            return n
        return self.wrapped(n, dtype)

    def wrapped(self, n: Num, dtype: DType) -> Num:
        """The value modulo 2**width; itself where it is proved to fit."""
        lo, hi = range_of(dtype)
        if lo <= n.lo and n.hi <= hi:
            return n
        open_ = [n.term >= lo] * (n.lo < lo) + [n.term <= hi] * (n.hi > hi)
        if self.proves(open_[0] if len(open_) == 1 else z3.And(*open_)):
            return replace(n, lo=max(n.lo, lo), hi=min(n.hi, hi))
        if n.depth >= DEEPEST:
            return replace(n, lo=lo, hi=hi, depth=n.depth + 1)
        turns = z3.Function(f"turns_{dtype}", z3.IntSort(), z3.IntSort())(n.term)
        made = Num(n.term - turns * (1 << width_of(dtype)), lo, hi, n.depth + 1, n.size + 1)
        self.bound(made, turns)
        return made

    def converted(self, op: Op, n: Num, dtype: DType) -> Num:
        """An integer as another integer type."""
        if op is not ops.SATURATE:
            return self.wrapped(n, dtype)
        lo, hi = range_of(dtype)
        if lo <= n.lo and n.hi <= hi:
            return n
        clamped = _minimum(_maximum(n.term, z3.IntVal(lo)), z3.IntVal(hi))
        return Num(clamped, max(lo, min(n.lo, hi)), max(lo, min(hi, n.hi)), 0, n.size + 1)

    # ---------------------------------------------------------------------------------------------------------- bools

    def _truth(self, op: Op, types: tuple[DType, ...], args: tuple[Term, ...]) -> Bool:
        if all(isinstance(t, BoolType) for t in types):
            rule = _LOGIC.get(op)
            known = [fresh_bool("any") if a is None or isinstance(a, Num) else a for a in args]
            return rule(*known) if rule else fresh_bool("any")
        numbers = [self.as_number(a, t) for a, t in zip(args, types, strict=True)]
        terms = [n.term for n in numbers]
        if op in ops.NARROWING:
            return terms[0] != 0
        if len(numbers) == 2 and _surely(op, *numbers):
            return z3.BoolVal(True)
        rule = ops.RELATIONS.get(op)
        return rule(*terms) if rule else fresh_bool("any")

    # ------------------------------------------------------------------------------------------------------- integers

    def _integer(self, op: Op, dtype: DType, types: tuple[DType, ...], n: tuple[Num, ...]) -> Num:
        rule = intervals.RULES.get(op)
        try:
            lo, hi = rule(*(a.interval for a in n)) if rule else range_of(dtype)
        except OverflowError:
            lo, hi = range_of(dtype)
        simple = _EXACT.get(op)
        if simple is not None:
            return number(lo) if lo == hi else Num(simple(*(a.term for a in n)), lo, hi)
        if op in (ops.FLOORDIV, ops.MOD):
            quotient, remainder = self._divided(*n)
            return Num(quotient if op is ops.FLOORDIV else remainder, lo, hi)
        if op in (ops.SHL, ops.SHR):
            return self._shifted(op, n[0], n[1], (lo, hi))
        if op is ops.BITS:
            return self._bits(n[0], types[0], n[1].lo, n[2].lo)
        if op is ops.CONCAT:
            high, low = (self._pattern(a, t) for a, t in zip(n, types, strict=True))
            return Num(high.term * (1 << width_of(types[1])) + low.term, *range_of(dtype))
        if op is ops.AND and n[1].lo == n[1].hi and n[1].lo >= 0 and n[1].lo & (n[1].lo + 1) == 0:
            return Num(n[0].term % (n[1].lo + 1), max(lo, 0), min(hi, n[1].lo))
        made = self._opaque(op.name, n, (lo, hi))  # of exact integers: the same function at every width
        if op in (ops.OR, ops.AND) and n[0].lo >= 0 and n[1].lo >= 0:
            for a in n:
                self.learn(made.term >= a.term if op is ops.OR else made.term <= a.term, made.term)
        return made

    def _opaque(self, name: str, n: tuple[Num, ...], interval: Interval) -> Num:
        sorts = [z3.IntSort()] * (len(n) + 1)
        made = Num(z3.Function(name, *sorts)(*(a.term for a in n)), *interval, 1)
        self.bound(made, made.term)
        return made

    def _divided(self, a: Num, b: Num) -> tuple[Any, Any]:
        """Quotient and remainder, rounded down; both 0 for a divisor of 0."""
        if b.lo == b.hi and b.lo > 0:
            return a.term / b.lo, a.term % b.lo
        names = [z3.Function(name, z3.IntSort(), z3.IntSort(), z3.IntSort()) for name in ("div", "mod")]
        q, r = (f(a.term, b.term) for f in names)
        self.learn(z3.Implies(b.term > 0, z3.And(r >= 0, r < b.term, a.term == q * b.term + r)), q, r)
        self.learn(z3.Implies(b.term < 0, z3.And(r <= 0, r > b.term, a.term == q * b.term + r)), q, r)
        self.learn(z3.Implies(b.term == 0, z3.And(r == 0, q == 0)), q, r)
        if a.lo >= 0:
            self.learn(z3.Implies(b.term > 0, z3.And(q >= 0, q <= a.term)), q)
        return q, r

    def _shifted(self, op: Op, a: Num, amount: Num, interval: Interval) -> Num:
        if amount.lo == amount.hi:
            factor = 1 << max(amount.lo, 0)
            return Num(a.term * factor if op is ops.SHL else a.term / factor, *interval)
        made = self._opaque(op.name, (a, amount), interval)
        if op is ops.SHR and a.lo >= 0:
            self.learn(made.term <= a.term, made.term)
        if op is ops.SHL and a.lo >= 0:
            self.learn(made.term >= a.term, made.term)
        return made

    def _pattern(self, n: Num, dtype: DType) -> Num:
        if n.lo >= 0:
            return n
        return Num(n.term % (1 << width_of(dtype)), 0, (1 << width_of(dtype)) - 1)

    def _bits(self, n: Num, dtype: DType, hi: int, lo: int) -> Num:
        count = 1 << (hi - lo + 1)
        return Num((self._pattern(n, dtype).term / (1 << lo)) % count, 0, count - 1)


def _minimum(a: Any, b: Any) -> Any:
    return z3.If(a <= b, a, b)


def _maximum(a: Any, b: Any) -> Any:
    return z3.If(a >= b, a, b)


_EXACT: dict[Op, Callable[..., Any]] = {
    ops.ADD: lambda a, b: a + b,
    ops.SUB: lambda a, b: a - b,
    ops.MUL: lambda a, b: a * b,
    ops.NEG: lambda a: -a,
    ops.INVERT: lambda a: -1 - a,
    ops.ABS: lambda a: z3.If(a >= 0, a, -a),
    ops.MIN: _minimum,
    ops.MAX: _maximum,
}
_LESS: dict[Op, Callable[[Num, Num], bool]] = {
    ops.NE: lambda a, b: a.hi < b.lo or b.hi < a.lo,
    ops.LT: lambda a, b: a.hi < b.lo,
    ops.LE: lambda a, b: a.hi <= b.lo,
    ops.GT: lambda a, b: b.hi < a.lo,
    ops.GE: lambda a, b: b.hi <= a.lo,
}


def _surely(op: Op, a: Num, b: Num) -> bool:
    """Whether a comparison holds by the bounds alone, so that z3 needn't be asked."""
    return op in _LESS and _LESS[op](a, b)


_LOGIC: dict[Op, Callable[..., Bool]] = {
    ops.LNOT: z3.Not,
    ops.AND: z3.And,
    ops.OR: z3.Or,
    ops.XOR: z3.Xor,
    ops.EQ: lambda a, b: a == b,
    ops.NE: z3.Xor,
    ops.CAST: lambda a: a,
    ops.NARROW: lambda a: a,
    ops.MIN: z3.And,
    ops.MAX: z3.Or,
    ops.LT: lambda a, b: z3.And(z3.Not(a), b),
    ops.LE: lambda a, b: z3.Or(z3.Not(a), b),
    ops.GT: lambda a, b: z3.And(a, z3.Not(b)),
    ops.GE: lambda a, b: z3.Or(a, z3.Not(b)),
}


def choose(cond: Bool, a: Term, b: Term) -> Term:
    """`a` where `cond` holds, else `b`."""
    if a is None or b is None:
        return None
    if isinstance(a, Num) and isinstance(b, Num):
        if a.term.eq(b.term):  # its bounds may be those of one path
            return replace(a, lo=min(a.lo, b.lo), hi=max(a.hi, b.hi))
        return Num(z3.If(cond, a.term, b.term), min(a.lo, b.lo), max(a.hi, b.hi), 0, 1 + max(a.size, b.size))
    if isinstance(a, Num) or isinstance(b, Num):
        return None
    return z3.If(cond, a, b)
