"""Steps on the bounds of loops: triangular nests become rectangular ones under conditions, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import fold
from gemel.semantics.ir import Apply, Const, Expr, For, If, Kernel, Ref, Stmt, Var
from gemel.semantics.ranges import Linear, Ranges
from gemel.semantics.schedule.arrays import quotient
from gemel.semantics.schedule.instances import at_least_0
from gemel.semantics.schedule.loops import guarded
from gemel.semantics.schedule.names import Renaming, find, names, refuse, rewritten
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import conjuncts, variables, without
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_body, statements


def box(kernel: Kernel, loop: str, around: str) -> Kernel:
    """The bounds of `loop` without the loop `around`, over all its iterations; a condition keeps out what is beyond.

    Raises ScheduleError where the bounds don't depend on `around`, or in another way than by sums and multiples.
    """
    found = find(kernel, loop)
    s, outer = found.loop, next((x for x in found.around if x.var.hint == around), None)
    if outer is None:
        raise refuse(
            f"{loop} is not in {around}", s.span, f"it is in {', '.join(x.var.hint for x in found.around)}", "K01"
        )
    if value_of(s.step, {}) != 1 or value_of(outer.step, {}) != 1 or s.until is not None:
        raise refuse(f"{loop} or {around} has a step or may end early", s.span)
    low, high = outer.var in variables(s.lo), outer.var in variables(s.hi)
    if not low and not high:
        raise refuse(f"the bounds of {loop} don't depend on {around}", s.span)
    lo, hi = (_end(e, outer, greatest) for e, greatest in ((s.lo, False), (s.hi, True)))
    least = value_of(fold(lo), {})
    lo = build.index(0, s.span) if low and least is not None and least >= 0 else lo
    at = Ref(s.var, s.span)
    cond: Expr = build.boolean(True, s.span)
    if low:
        cond = build.both(cond, build.apply(ops.LE, s.lo, at, span=s.span), s.span)
    if high:
        cond = build.both(cond, build.apply(ops.LT, at, s.hi, span=s.span), s.span)
    return rewritten(kernel, s, lambda x: (replace(x, lo=fold(lo), hi=fold(hi), body=guarded(x.body, cond, x.span)),))


def _end(e: Expr, outer: For, greatest: bool) -> Expr:
    """The least or greatest value of a bound over the iterations of a loop around, or something beyond."""
    if outer.var not in variables(e):
        return e
    if isinstance(e, Ref):
        return build.sub(outer.hi, build.index(1, e.span), e.span) if greatest else outer.lo
    if isinstance(e, Apply):
        match e.op, e.args:
            case ((ops.ADD | ops.MIN | ops.MAX), (a, b)):
                return build.apply(e.op, _end(a, outer, greatest), _end(b, outer, greatest), span=e.span, dtype=e.dtype)
            case ops.SUB, (a, b):
                return build.sub(_end(a, outer, greatest), _end(b, outer, not greatest), e.span)
            case ops.MUL, ((a, Const() as c) | (Const() as c, a)):
                return build.mul(_end(a, outer, greatest == (int(c.value) >= 0)), c, e.span)
            case _:
                pass
    raise refuse(f"a bound depends on {outer.var.hint} in another way than by sums and multiples", e.span, code="K02")


# --------------------------------------------------------------------------------------------------------- conditions


@dataclass(frozen=True)
class _Side:
    """What a condition asks of a loop's variable: coefficient * variable + rest is at least 0."""

    coefficient: int
    rest: Linear


def trim(kernel: Kernel, loop: str) -> Kernel:
    """Leaves out iterations of `loop` at its ends in which the conditions around all that it does hold nowhere.

    Raises ScheduleError where no condition says anything about the loop.
    """
    s = find(kernel, loop).loop
    _stepped(s)
    with inside(kernel, s) as (ranges, _):
        sides = list(_sides(ranges, s, _around_all(s.body), greatest=True))
    if not sides:
        raise refuse(f"no condition around what {loop} does is about it", s.span)
    lo, hi = s.lo, s.hi
    for side in sides:
        if side.coefficient > 0:
            lo = build.apply(ops.MAX, lo, _reached(side, s.span), span=s.span)
        else:
            hi = build.apply(ops.MIN, hi, _reached(side, s.span), span=s.span)
    return rewritten(kernel, s, lambda x: (replace(x, lo=fold(lo), hi=fold(hi)),))


def peel(kernel: Kernel, loop: str) -> Kernel:
    """The iterations of `loop` in which a condition about it surely holds in a loop of their own, without it.

    Raises ScheduleError where there is no such condition.
    """
    s = find(kernel, loop).loop
    _stepped(s)
    for cond in dict.fromkeys(_conditions(s.body)):
        with inside(kernel, s) as (ranges, _):
            side = next(_sides(ranges, s, [cond], greatest=False), None)
        if side is not None:
            return _peeled(kernel, s, cond, side)
    raise refuse(f"no condition in {loop} is about it", s.span)


def _peeled(kernel: Kernel, s: For, cond: Expr, side: _Side) -> Kernel:
    span = s.span
    bound = build.apply(ops.MIN, build.apply(ops.MAX, _reached(side, span), s.lo, span=span), s.hi, span=span)
    middle = fold(build.apply(ops.MAX, bound, s.lo, span=span))
    sure = replace(s, body=map_body(s.body, stmt=lambda x: _without(x, cond)))
    if side.coefficient > 0:
        rest, sure = replace(s, hi=middle), replace(sure, lo=middle)
    else:
        rest, sure = replace(s, lo=middle), replace(sure, hi=middle)
    other = Renaming(names(kernel)).stmt(rest)
    return rewritten(kernel, s, lambda _: (other, sure) if side.coefficient > 0 else (sure, other))


def _stepped(s: For) -> None:
    if value_of(s.step, {}) != 1 or s.until is not None or s.carry:
        raise refuse(f"the loop {s.var.hint} has a step or may end early", s.span)


def _around_all(body: Body) -> list[Expr]:
    """The conditions around all that a nest does."""
    while len(body) == 1 and isinstance(body[0], For) and body[0].until is None:
        body = body[0].body
    if len(body) == 1 and isinstance(body[0], If) and not body[0].orelse and not body[0].merges:
        return list(conjuncts(body[0].cond))
    return []


def _conditions(body: Body) -> Iterator[Expr]:
    for s in statements(body):
        if isinstance(s, If) and not s.orelse and not s.merges:
            yield from conjuncts(s.cond)


def _sides(ranges: Ranges, s: For, conditions: list[Expr], greatest: bool) -> Iterator[_Side]:
    """What conditions ask of a loop's variable, where what is bound inside is most willing, or least."""
    inner = [x for x in statements(s.body) if isinstance(x, For)]
    for x in inner:
        ranges._bind_loop(x)
    for cond in conditions:
        form = at_least_0(ranges, cond)
        if form is None or not form.terms.get(s.var):
            continue
        rest = Linear(form.constant, {v: c for v, c in form.terms.items() if v is not s.var})
        for x in reversed(inner):
            rest = _at_end(ranges, rest, x.var, greatest)
        yield _Side(form.terms[s.var], rest)


def _at_end(ranges: Ranges, form: Linear, v: Var, greatest: bool) -> Linear:
    c = form.terms.get(v, 0)
    if not c:
        return form
    low, high = ranges._interval(v)
    terms = {x: k for x, k in form.terms.items() if x is not v}
    return Linear(form.constant + c * (high if (c > 0) == greatest else low), terms)


def _reached(side: _Side, span: Span) -> Expr:
    """The first iteration that satisfies a side with a positive coefficient; for a negative one, past the last."""
    k = abs(side.coefficient)
    if side.coefficient > 0:  # the least v with v * k >= -rest
        return quotient(side.rest.scaled(-1).plus(Linear(k - 1, {})), k, span)
    return quotient(side.rest.plus(Linear(k, {})), k, span)  # one past the greatest v with v * k <= rest


def _without(s: Stmt, cond: Expr) -> Stmt | Body:
    """A guarded block without one of its conditions."""
    there = isinstance(s, If) and not s.orelse and any(c is cond for c in conjuncts(s.cond))
    return without(s, lambda c: c is cond) if isinstance(s, If) and there else s
