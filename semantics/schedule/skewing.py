"""The step that skews a loop: what tiles over time need before loops change places."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding, fold
from gemel.semantics.ir import Expr, For, If, Kernel, LoopKind, Ref
from gemel.semantics.schedule.names import Found, find, refuse, rewritten
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import Body


def skew(kernel: Kernel, loop: str, by: str, factor: int) -> Kernel:
    """A loop whose iterations come `factor` later for each iteration of the loop `by` around it.

    The loop then runs over all values that it has in any iteration of `by`, and a condition keeps the body to those of
    the iteration at hand: nothing changes its order, but the loops may change places where the original ones may not.
    Raises ScheduleError where the bounds depend on `by`, or a loop has a step or may end early.
    """
    found = find(kernel, loop)
    outer = _around(found, by)
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1:
        raise refuse(f"skew by {factor!r}", found.loop.span, "a factor from 1")
    for s in (found.loop, outer):
        plain = value_of(s.step, {}) == 1 and s.until is None and not s.carry
        if not plain or s.kind not in (LoopKind.SERIAL, LoopKind.PARALLEL):
            raise refuse(f"the loop {s.var.hint} has a step, may end early or is in lanes", s.span, "skew plain loops")
    _fixed(found, outer)
    return rewritten(kernel, found.loop, lambda s: _skewed(s, outer, factor))


def _around(found: Found, by: str) -> For:
    for s in found.around:
        if s.var.hint == by:
            return s
    known = ", ".join(s.var.hint for s in found.around) or "no loop"
    raise refuse(f"{found.loop.var.hint} is not in {by}", found.loop.span, f"it is in {known}", "K01")


def _fixed(found: Found, outer: For) -> None:
    inside = found.around[found.around.index(outer) :]
    moving = {v for e in (found.loop.lo, found.loop.hi) for v in variables(e)} & {s.var for s in inside}
    if moving:
        names = ", ".join(sorted(v.hint for v in moving))
        raise refuse(f"the bounds of {found.loop.var.hint} depend on {names}", found.loop.span, code="K02")


def _skewed(s: For, outer: For, factor: int) -> Body:
    span, f = s.span, build.index(factor, s.span)

    def late(e: Expr, turn: Expr) -> Expr:
        return fold(build.add(e, fold(build.mul(f, turn, span)), span))

    last = fold(build.sub(outer.hi, build.index(1, span), span))
    lo, hi = late(s.lo, outer.lo), late(s.hi, last)
    here = build.sub(Ref(s.var, span), build.mul(f, Ref(outer.var, span), span), span)
    inside = build.both(build.apply(ops.LE, s.lo, here, span=span), build.apply(ops.LT, here, s.hi, span=span), span)
    body = Folding(vars={s.var: here}).body(s.body)
    return (replace(s, lo=lo, hi=hi, body=(If(inside, body, (), span),)),)
