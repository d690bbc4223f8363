"""How much a kernel computes, as far as that is known before it runs."""

from __future__ import annotations

from math import inf, prod

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Alloc, Apply, Call, Expr, For, If, Kernel, Load, LoopKind, Stmt, While
from gemel.semantics.traverse import Body, exprs_of, subexprs

BRIEF = 16_384
"""Operations that take some microseconds, twenty at the very most."""


def is_brief(kernel: Kernel) -> bool:
    """Whether a run takes so little time that other threads may as well wait for its end."""
    return _body(kernel.body) <= BRIEF


def _body(body: Body) -> float:
    return sum(map(_statement, body))


def _statement(s: Stmt) -> float:
    own = 1 + sum(_cost(x) for e in exprs_of(s) for x in subexprs(e))
    match s:
        case For():
            return own + _trips(s) * (1 + _body(s.body)) if s.kind is not LoopKind.PARALLEL else inf
        case If():
            return own + max(_body(s.then), _body(s.orelse))
        case Alloc():
            sizes = [value_of(size, {}) for size in s.buffer.shape]
            return own + prod(inf if n is None else n for n in sizes)
        case While() | Call():
            return inf
        case _:
            return own


def _cost(e: Expr) -> int:
    if isinstance(e, Apply):
        words = -(-width_of(e.dtype) // 64)
        return ops.COST.get(e.op, 1) * words * words
    return int(isinstance(e, Load))


def _trips(s: For) -> float:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return inf if lo is None or hi is None or not step else max(0, -(-(hi - lo) // step))
