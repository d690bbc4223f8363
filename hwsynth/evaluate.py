"""Expressions of loop counters, evaluated for many iterations at once; loops run through all their iterations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, DType, IndexType, IntType, as_int
from gemel.semantics.ir import Apply, Const, Expr, For, Ref, Var
from gemel.semantics.traverse import subexprs

Numbers = Any
"""An integer, or an array with one for each iteration."""

MEANINGS: Mapping[ops.Op, Callable[..., Numbers]] = {
    ops.ADD: lambda a, b: a + b,
    ops.SUB: lambda a, b: a - b,
    ops.MUL: lambda a, b: a * b,
    ops.NEG: lambda a: -a,
    ops.MIN: np.minimum,
    ops.MAX: np.maximum,
    ops.EQ: lambda a, b: a == b,
    ops.NE: lambda a, b: a != b,
    ops.LT: lambda a, b: a < b,
    ops.LE: lambda a, b: a <= b,
    ops.GT: lambda a, b: a > b,
    ops.GE: lambda a, b: a >= b,
    ops.LAND: np.logical_and,
    ops.LOR: np.logical_or,
    ops.LNOT: np.logical_not,
    ops.SELECT: np.where,
    ops.CAST: lambda a: a,
}
"""What each op that can be evaluated does before its result is brought to its type."""

WIDEST = 62
"""Bits of the widest integer that is evaluated."""


def fitted(value: Numbers, dtype: DType) -> Numbers | None:
    """A result at its type; None where it may not fit the arithmetic here."""
    if isinstance(dtype, IndexType):
        return value
    if isinstance(dtype, BoolType):
        return np.asarray(value, bool)
    own = as_int(dtype)
    if own is None or own.width > WIDEST:
        return None
    rest = np.asarray(value, np.int64) & ((1 << own.width) - 1)
    return np.where(rest >> (own.width - 1), rest - (1 << own.width), rest) if own.signed else rest


def evaluated(e: Expr, env: Mapping[Var, Numbers]) -> Numbers | None:
    """The values of an expression; None where it isn't one of known variables."""
    match e:
        case Const() if isinstance(e.dtype, BoolType | IntType | IndexType):
            return int(e.value)
        case Ref():
            return env.get(e.var)
        case Apply() if e.op in MEANINGS:
            args = [evaluated(a, env) for a in e.args]
            return None if any(a is None for a in args) else fitted(MEANINGS[e.op](*args), e.dtype)
        case _:
            return None


def is_simple(e: Expr, counters: frozenset[Var]) -> bool:
    """Whether control can compute an expression from the counters of loops within a cycle."""
    return all(_is_simple(x, counters) for x in subexprs(e))


def _is_simple(e: Expr, counters: frozenset[Var]) -> bool:
    match e:
        case Const():
            return isinstance(e.dtype, IntType | IndexType)
        case Ref():
            return e.var in counters
        case Apply() if e.op is ops.MUL:
            return any(isinstance(a, Const) for a in e.args)
        case Apply() if e.op is ops.CAST:
            return isinstance(e.dtype, IntType | IndexType)
        case Apply():
            return e.op in (ops.ADD, ops.SUB, ops.MIN, ops.MAX, ops.NEG)
        case _:
            return False


def trips_of(lo: Numbers, hi: Numbers, step: int) -> Numbers:
    """How often a loop runs."""
    return np.maximum(-((lo - hi) // step) if step > 0 else -((hi - lo) // -step), 0)


@dataclass(frozen=True)
class Iterations:
    """All iterations of nested loops in order: the counters' values, and for each loop whether it has the iteration.

    A loop that would be empty has one iteration that isn't its own, and so have the loops in it. `marks` are numbers
    that iterations take over from those of the loops around.
    """

    values: dict[Var, Numbers]
    own: dict[Var, Numbers]
    length: int
    marks: tuple[Numbers, ...] = ()

    def inside(self, s: For, most: int, padded: bool, ahead: bool = False) -> Iterations | None:
        """With a loop inside of the others; None where its bounds aren't known or iterations are more than `most`.

        Where it is `padded` and would be empty, or in any case where it has one `ahead`, it has an iteration more.
        """
        lo, hi, step = (evaluated(e, self.values) for e in (s.lo, s.hi, s.step))
        if lo is None or hi is None or not isinstance(step, int) or not step:
            return None
        lo = np.broadcast_to(lo, (self.length,))
        runs = trips_of(lo, hi, step) * self.alive()
        trips = np.broadcast_to(runs + 1 if ahead else np.maximum(runs, int(padded)), (self.length,))
        total = int(trips.sum())
        if total > most:
            return None
        position = np.arange(total) - np.repeat(np.cumsum(trips) - trips, trips)
        values = {v: np.repeat(np.broadcast_to(x, (self.length,)), trips) for v, x in self.values.items()}
        own = {v: np.repeat(x, trips) for v, x in self.own.items()}
        values[s.var] = np.repeat(lo, trips) + np.maximum(position - int(ahead), 0) * step
        own[s.var] = np.repeat(np.broadcast_to(runs > 0, (self.length,)), trips) & (position >= int(ahead))
        return Iterations(values, own, total, tuple(np.repeat(x, trips) for x in self.marks))

    def marked(self) -> Iterations:
        """With the number of each iteration as a mark."""
        return replace(self, marks=(*self.marks, np.arange(self.length)))

    def alive(self) -> Numbers:
        """Where no loop is empty."""
        return np.logical_and.reduce([np.ones(self.length, bool), *self.own.values()])


ONCE = Iterations({}, {}, 1)
"""What is outside of all loops."""
