"""Indices as sums of multiples of names: two of them that differ by a number are never equal.

Arithmetic of type index wraps at 64 bits, and so do these sums: what is said of them holds for what is computed.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from gemel.semantics import build, ops
from gemel.semantics.dtypes import INDEX, is_integer
from gemel.semantics.ir import Apply, Const, Expr, Ref, Var
from gemel.semantics.typerules import holds

_LINEAR = (ops.ADD, ops.SUB, ops.MUL, ops.NEG)


@dataclass(frozen=True)
class Sum:
    """A constant plus multiples of variables, none of them 0."""

    constant: int
    terms: dict[Var, int]

    @property
    def key(self) -> Hashable:
        """Equal for equal sums."""
        return self.constant, frozenset(self.terms.items())

    def plus(self, other: Sum, times: int = 1) -> Sum:
        """The sum with a multiple of another one."""
        terms = dict(self.terms)
        for v, c in other.terms.items():
            terms[v] = terms.get(v, 0) + c * times
        return Sum(self.constant + other.constant * times, {v: c for v, c in terms.items() if c})


def sum_of(e: Expr) -> Sum | None:
    """An integer expression as such a sum; None where it is none."""
    match e:
        case Const() if is_integer(e.dtype):
            return Sum(int(e.value), {})
        case Ref() if is_integer(e.dtype):
            return Sum(0, {e.var: 1})
        case Apply() if e.op is ops.CAST and e.dtype == INDEX and is_integer(e.args[0].dtype):
            return sum_of(e.args[0]) if holds(INDEX, e.args[0].dtype) else None
        case Apply() if is_integer(e.dtype) and e.op in _LINEAR and e.dtype == build.result_type(e.op, e.args, e.span):
            return _of_op(e)
        case _:
            return None


def _of_op(e: Apply) -> Sum | None:
    parts = [sum_of(a) for a in e.args]
    a, b = parts[0], parts[-1]
    if a is None or b is None:
        return None
    match e.op:
        case ops.ADD:
            return a.plus(b)
        case ops.SUB:
            return a.plus(b, -1)
        case ops.NEG:
            return Sum(0, {}).plus(a, -1)
        case _:
            return _product(a, b)


def _product(a: Sum, b: Sum) -> Sum | None:
    if a.terms and b.terms:
        return None
    return Sum(0, {}).plus(a, b.constant) if not b.terms else Sum(0, {}).plus(b, a.constant)
