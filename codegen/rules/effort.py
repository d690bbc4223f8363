"""How much a kernel computes, as far as that is known before it runs."""

from __future__ import annotations

from math import inf, prod

from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import width_of
from gemel.semantics.ir import Alloc, Apply, Call, Expr, For, If, Kernel, Load, LoopKind, Stmt, Var, While
from gemel.semantics.traverse import Body, exprs_of, subexprs

BRIEF = 16_384
"""Operations that take some microseconds, twenty at the very most."""

SOME = 16
"""What a loop of unknown length counts as where it isn't the worst that is asked for."""

Typical = dict[Var, int]
"""Values of loop variables, each standing for all that it has."""


def is_brief(kernel: Kernel) -> bool:
    """Whether a run takes so little time that other threads may as well wait for its end."""
    return _body(kernel.body, None) <= BRIEF


def work(s: For, typical: Typical) -> float:
    """About how many operations a loop takes; what vector lanes do counts as one."""
    return _statement(s, typical)


def trips(s: For, typical: Typical | None) -> float:
    """How many iterations a loop has; without typical values at most."""
    lo, hi, step = (value_of(e, typical or {}) for e in (s.lo, s.hi, s.step))
    if lo is None or hi is None or not step:
        return inf if typical is None else SOME
    return max(0, -(-(hi - lo) // step))


def middle(s: For, typical: Typical) -> int:
    """A value of a loop's variable that stands for all."""
    lo, hi = value_of(s.lo, typical), value_of(s.hi, typical)
    return ((lo or 0) + (hi or 0)) // 2


def _body(body: Body, typical: Typical | None) -> float:
    return sum(_statement(s, typical) for s in body)


def _statement(s: Stmt, typical: Typical | None) -> float:
    own = 1 + sum(_cost(x) for e in exprs_of(s) for x in subexprs(e))
    match s:
        case For():
            return own + _loop(s, typical)
        case If():
            return own + max(_body(s.then, typical), _body(s.orelse, typical))
        case Alloc() if typical is None:
            sizes = [value_of(size, {}) for size in s.buffer.shape]
            return own + prod(inf if n is None else n for n in sizes)
        case While():
            return inf if typical is None else own + SOME * _body(s.body, typical)
        case Call():
            return inf
        case _:
            return own


def _loop(s: For, typical: Typical | None) -> float:
    if typical is None:
        return inf if s.kind is LoopKind.PARALLEL else trips(s, None) * (1 + _body(s.body, None))
    times = 1 if s.kind is LoopKind.VECTOR else trips(s, typical)
    return times * (1 + _body(s.body, {**typical, s.var: middle(s, typical)}))


def _cost(e: Expr) -> int:
    if isinstance(e, Apply):
        words = -(-width_of(e.dtype) // 64)
        return ops.COST.get(e.op, 1) * words * words
    return int(isinstance(e, Load))
