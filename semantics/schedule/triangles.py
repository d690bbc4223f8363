"""Steps for loops of which only some iterations do something: bounds that depend on loops around, as conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Call,
    Expr,
    For,
    If,
    Kernel,
    Let,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
)
from gemel.semantics.ranges import Linear, Ranges
from gemel.semantics.schedule.arrays import quotient
from gemel.semantics.schedule.dead import visits
from gemel.semantics.schedule.depend import effects_in_order
from gemel.semantics.schedule.loops import guarded
from gemel.semantics.schedule.names import Renaming, find, names, refuse, rewritten
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import conjuncts, without
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_body, statements


def square(kernel: Kernel, loop: str) -> Kernel:
    """A loop whose end depends on loops around runs to the furthest one; a condition keeps to the end that it had."""
    s = find(kernel, loop).loop
    if value_of(s.hi, {}) is not None:
        raise refuse(f"{loop} ends at a number", s.span)
    if value_of(s.step, {}) != 1 or s.until is not None:
        raise refuse(f"{loop} has a step or may end early", s.span)
    with inside(kernel, s) as (ranges, _):
        most = ranges.of(s.hi)[1]
        if most > 1 << 24 or ranges.linear(s.hi) is None:
            raise refuse(f"{loop} has no known number of iterations", s.span, "specialize the kernel, or split it")
    cond = build.apply(ops.LT, Ref(s.var, s.span), s.hi, span=s.span)
    return rewritten(
        kernel, s, lambda s: (replace(s, hi=build.index(most, s.span), body=guarded(s.body, cond, s.span)),)
    )


@dataclass(frozen=True)
class _Ends:
    """Below which value of a loop's variable a condition may hold, and below which it does whatever loops within do."""

    any: Expr
    all: Expr


def tighten(kernel: Kernel, loop: str) -> Kernel:
    """A loop ends where the conditions in it don't hold any more, whatever the loops within do.

    Raises ScheduleError where something in it is done without such a condition.
    """
    s = _plain(kernel, loop)
    local = {x.buffer for x in statements(s.body) if isinstance(x, Alloc)}
    ends: list[Expr] = []
    for conditions, t, ranges in _leaves(kernel, s):
        if isinstance(t, Store | Reduce) and t.buffer not in local:
            found = [e for c in conditions if (e := _ends(ranges, c, s)) is not None]
            if not found:
                raise refuse(f"{t.buffer.hint} is stored to in each iteration of {loop}", t.span, code="K02")
            ends.append(found[0].any)
    if not ends:
        raise refuse(f"{loop} stores to nothing", s.span)
    end = ends[0]
    for other in ends[1:]:
        end = build.apply(ops.MAX, end, other, span=s.span)
    return rewritten(kernel, s, lambda s: (replace(s, hi=build.apply(ops.MIN, s.hi, end, span=s.span)),))


def clear(kernel: Kernel, loop: str) -> Kernel:
    """The first iterations of a loop, in which conditions hold whatever the loops within do, as a loop without them.

    Raises ScheduleError where no condition is about the loop.
    """
    s = _plain(kernel, loop)
    ends: dict[Expr, Expr] = {}
    for _, t, ranges in _leaves(kernel, s):
        if isinstance(t, If) and not t.orelse:
            ends.update({c: e.all for c in conjuncts(t.cond) if (e := _ends(ranges, c, s)) is not None})
    if not ends:
        raise refuse(f"no condition in {loop} is about {loop} alone", s.span)
    first, *rest = ends.values()
    for other in rest:
        first = build.apply(ops.MIN, first, other, span=s.span)
    with inside(kernel, s) as (ranges, _):
        middle = _between(ranges, s, first)

    def cleared(t: Stmt) -> Stmt | Body:
        there = isinstance(t, If) and any(c in ends for c in conjuncts(t.cond))
        return without(t, lambda c: c in ends) if isinstance(t, If) and there else t

    rest_ = Renaming(names(kernel)).body((replace(s, lo=middle),))
    return rewritten(kernel, s, lambda s: (replace(s, hi=middle, body=map_body(s.body, stmt=cleared)), *rest_))


def _between(ranges: Ranges, s: For, e: Expr) -> Expr:
    """An expression kept between a loop's bounds, as far as it isn't there anyway."""
    low = _reaches(ranges, e, s.lo)
    high = all(_reaches(ranges, x, e) for x in _least_of(s.hi))
    e = e if high else build.apply(ops.MIN, s.hi, e, span=s.span)
    return e if low else build.apply(ops.MAX, s.lo, e, span=s.span)


def _reaches(ranges: Ranges, a: Expr, b: Expr) -> bool:
    """Whether one index is at least another one."""
    gap = build.sub(a, b, a.span)
    form = ranges.linear(gap)
    return (form.constant if form is not None and not form.terms else ranges.of(gap)[0]) >= 0


def _least_of(e: Expr) -> Iterator[Expr]:
    """What an expression is the least of."""
    if isinstance(e, Apply) and e.op is ops.MIN:
        for a in e.args:
            yield from _least_of(a)
    else:
        yield e


def _plain(kernel: Kernel, loop: str) -> For:
    """A loop whose end may be another one.

    Raises ScheduleError for one that has to have a number, that may end early, or in which checks have to come.
    """
    s = find(kernel, loop).loop
    if s.kind in (LoopKind.VECTOR, LoopKind.UNROLL) or value_of(s.step, {}) != 1:
        raise refuse(f"{loop} is a vector loop, written out, or has a step", s.span, "take this step before")
    effects_in_order(s)
    call = next((x for x in statements(s.body) if isinstance(x, Call)), None)
    if call is not None:
        raise refuse(f"{loop} calls {call.kernel.name}", s.span, f'inline("{call.kernel.name}") first')
    return s


def _leaves(kernel: Kernel, loop: For) -> Iterator[tuple[tuple[Expr, ...], Stmt, Ranges]]:
    """The statements of a loop with the conditions that they are under."""
    under: dict[Stmt, tuple[Expr, ...]] = {}

    def note(body: Body, conditions: tuple[Expr, ...]) -> None:
        for s in body:
            under[s] = conditions
            if isinstance(s, If):
                note(s.then, (*conditions, *conjuncts(s.cond)))
                note(s.orelse, conditions)
            elif isinstance(s, For):
                note(s.body, conditions)

    note(loop.body, ())
    for s, ranges in visits(kernel, loop):
        yield under.get(s, ()), s, ranges


def _ends(ranges: Ranges, cond: Expr, loop: For) -> _Ends | None:
    """Where a condition on a loop ends to hold; None where it isn't of the form `multiple of its variable < rest`."""
    if not isinstance(cond, Apply) or cond.op is not ops.LT:
        return None
    a, b = (ranges.linear(e) for e in cond.args)
    if a is None or b is None:
        return None
    form = a.plus(b.scaled(-1))
    step = form.terms.get(loop.var, 0)
    if step <= 0:
        return None
    inner = {s.var for s in statements(loop.body) if isinstance(s, For | Let)}
    rest = Linear(form.constant, {v: c for v, c in form.terms.items() if v is not loop.var})
    least, most = (_extreme(ranges, rest, inner, greatest) for greatest in (False, True))
    return _Ends(_below(least, step, cond.span), _below(most, step, cond.span))


def _extreme(ranges: Ranges, form: Linear, inner: set[Var], greatest: bool) -> Linear:
    """A bound of a form in which the variables of inner loops have given way to theirs."""
    for v in [v for v in form.terms if v in inner]:
        c = form.terms[v]
        low, high = ranges.vars.get(v, (0, 0))
        others = Linear(form.constant, {x: k for x, k in form.terms.items() if x is not v})
        form = others.plus(Linear(c * (high if (c > 0) == greatest else low), {}))
    return form


def _below(rest: Linear, step: int, span: Span) -> Expr:
    """The first value for which `step * value + rest` isn't negative."""
    return quotient(rest.scaled(-1).plus(Linear(step - 1, {})), step, span)
