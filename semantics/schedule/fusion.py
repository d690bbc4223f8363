"""Steps that make one loop of two, and two of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding, fold
from gemel.semantics.ir import Alloc, Expr, For, If, Kernel, Let, Ref, Stmt, Store
from gemel.semantics.schedule.depend import (
    CHECKED,
    Access,
    Dependences,
    Meeting,
    effects,
    leading,
    locals_of,
    meet,
    signs,
    upwards,
)
from gemel.semantics.schedule.names import Found, Renaming, find, in_block, loops, names, refuse, rewritten, wrap
from gemel.semantics.schedule.windows import alike
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, Copier, loaded, stored


def fuse(kernel: Kernel, first: str, second: str, shift: int | None = None) -> Kernel:
    """Two loops over the same range as one, with the body of the second after that of the first.

    The second loop comes after the first in the same block; what stands between must not touch what the first does.
    With a shift the second lags by so many iterations; then the ranges need not be the same: conditions keep each body
    to its own. Raises ScheduleError where an iteration of the second needs a later one of the first.
    """
    a, b = find(kernel, first), find(kernel, second)
    _in_any_order(a.loop, b.loop)
    if shift is None:
        _same_range(a.loop, b.loop)
        moved = Copier(vars={b.loop.var: Ref(a.loop.var, a.loop.span)})
        head, joined = len(a.loop.body), replace(a.loop, body=(*a.loop.body, *moved.body(b.loop.body)))
    else:
        head, joined = _lagging(a.loop, b.loop, shift)
    made = in_block(kernel, b.loop, lambda block: _joined(block, a.loop, b.loop, joined))
    in_order(made, [joined], head)
    return made


def _same_range(a: For, b: For) -> None:
    bounds = zip((a.lo, a.hi, a.step), (b.lo, b.hi, b.step), strict=True)
    if a.kind is not b.kind or not all(alike(x, y) for x, y in bounds):
        raise refuse(f"{a.var.hint} and {b.var.hint} don't run over the same range", b.span)


def _lagging(a: For, b: For, shift: int) -> tuple[int, For]:
    """One loop over both ranges, the second moved by the shift; and how many statements of its body are the first's."""
    if isinstance(shift, bool) or not isinstance(shift, int):
        raise refuse(f"a shift by {shift!r}", b.span, "a shift is a number of iterations")
    if a.kind is not b.kind or value_of(a.step, {}) != 1 or value_of(b.step, {}) != 1:
        raise refuse(f"{a.var.hint} and {b.var.hint} are not of one kind, or have steps", b.span, "loops with step 1")
    span, here = a.span, Ref(a.var, a.span)
    lag = build.index(shift, span)
    lo, hi = (fold(build.add(e, lag, span)) for e in (b.lo, b.hi))
    least, most = (fold(build.apply(op, x, y, span=span)) for op, x, y in ((ops.MIN, a.lo, lo), (ops.MAX, a.hi, hi)))
    copier = Folding(vars={b.var: fold(build.sub(here, lag, span))})
    head = _in_range(a.body, here, (a.lo, a.hi), (least, most), span)
    tail = _in_range(copier.body(b.body), here, (lo, hi), (least, most), span)
    return len(head), replace(a, lo=least, hi=most, body=(*head, *tail))


def _in_range(body: Body, e: Expr, own: tuple[Expr, Expr], whole: tuple[Expr, Expr], span: Span) -> Body:
    """A block for values of `e` in its own range, where it runs over a whole one."""
    conds = [] if alike(own[0], whole[0]) else [build.apply(ops.LE, own[0], e, span=span)]
    conds += [] if alike(own[1], whole[1]) else [build.apply(ops.LT, e, own[1], span=span)]
    if not conds:
        return body
    return (If(conds[0] if len(conds) == 1 else build.both(conds[0], conds[1], span), body, (), span),)


def _in_any_order(a: For, b: For) -> None:
    if a.until is not None or b.until is not None:
        raise refuse(f"{a.var.hint} or {b.var.hint} may end early", b.span)
    for s in effects((*a.body, *b.body)):
        what = f"a check or an early end in {a.var.hint} or {b.var.hint} has to come in order"
        raise refuse(what, s.span, CHECKED, "K02")


def _joined(block: Body, a: For, b: For, joined: For) -> Body:
    """The block with the first loop gone and the second one replaced by both."""
    places = [n for n, s in enumerate(block) if s is a or s is b]
    if len(places) != 2 or block[places[0]] is not a:
        raise refuse(f"{b.var.hint} doesn't come after {a.var.hint} in the same block", b.span)
    between = block[places[0] + 1 : places[1]]
    for s in between:
        _may_come_before(s, a)
    return (*block[: places[0]], *between, joined, *block[places[1] + 1 :])


def _may_come_before(s: Stmt, loop: For) -> None:
    touched = stored((s,)) & (loaded((loop,)) | stored((loop,))) or loaded((s,)) & stored((loop,))
    if not isinstance(s, Alloc | Let | Store | For) or touched or any(effects((s,))):
        raise refuse(f"what stands between has to come after {loop.var.hint}", s.span, code="K02")


def fission(kernel: Kernel, loop: str, outer: str) -> Kernel:
    """What stands before `loop` in its block gets a nest of its own, from the loop `outer` on, before the other one.

    Raises ScheduleError where an iteration of what stood before needs an earlier one of `loop`, or where more than
    that stands in the loops between the two.
    """
    inner = find(kernel, loop)
    chain = [s for s in inner.around if s.var.hint == outer or _within(s, outer, inner)]
    if not chain or chain[0].var.hint != outer:
        raise refuse(f"{loop} is not in {outer}", inner.loop.span, f"it is in {_names(inner.around)}", "K01")
    place = next(n for n, s in enumerate(chain[-1].body) if s is inner.loop) if inner.loop in chain[-1].body else -1
    perfect = all(a.body == (b,) for a, b in pairwise(chain))
    if place < 1 or not perfect or place != len(chain[-1].body) - 1:
        raise refuse(f"{outer} is no nest with statements and then {loop} inside", chain[0].span)
    head, tail = chain[-1].body[:place], chain[-1].body[place:]
    apart(head, tail, chain)
    in_order(kernel, chain, place)
    first = Renaming(names(kernel)).body(wrap(chain, head))
    return rewritten(kernel, chain[0], lambda _: (*first, *wrap(chain, tail)))


def _within(s: For, outer: str, inner: Found) -> bool:
    hints = [x.var.hint for x in inner.around]
    return outer in hints and hints.index(s.var.hint) > hints.index(outer)


def _names(around: Iterable[For]) -> str:
    return ", ".join(s.var.hint for s in around) or "no loop"


def apart(head: Body, tail: Body, chain: list[For]) -> None:
    """Raises ScheduleError where the parts share names, or where checks and early ends have to come in order."""
    for s in effects((chain[0],)):
        raise refuse("a check or an early end has to come in order", s.span, CHECKED, "K02")
    for s in head:
        if isinstance(s, Let | Alloc):
            raise refuse("what stands before names something that comes after", s.span, code="K02")


def in_order(kernel: Kernel, chain: list[For], head: int) -> None:
    """Raises ScheduleError where an iteration's tail comes before a later iteration's head that it depends on.

    The parts are those of the body of the innermost loop of the nest `chain`.
    """
    found = next((f for f in loops(kernel.body) if f.loop is chain[-1]), None)
    if found is None:
        raise refuse(f"{chain[-1].var.hint} has no second loop in its block", chain[-1].span)
    upwards(chain)
    first, second = _parts(kernel, found, head)
    local, order = locals_of(chain[-1].body), [s.var for s in chain]
    for x in first.accesses:
        for y in second.accesses:
            if x.buffer in local or not _conflict(x, y):
                continue
            bounds = second.distances(y, x, order)
            later = [d for d in signs(bounds, order) if leading(d, order) > 0] if bounds is not None else []
            if not any(second.distances(y, x, order, d) is not None for d in later):
                continue
            meeting: Meeting | None = meet(second, y, x, order, order, order)
            if meeting is not None:
                raise refuse(f"{chain[0].var.hint} would come too early: {meeting}", chain[0].span, code="K02")


def _parts(kernel: Kernel, found: Found, head: int) -> tuple[Dependences, Dependences]:
    """The accesses of the first statements of a loop's body, and those of the others."""
    first = Dependences(kernel, found, part=slice(0, head))
    second = Dependences(kernel, found, part=slice(head, None))
    second.intervals.update(first.intervals)
    second.private |= first.private
    return first, second


def _conflict(x: Access, y: Access) -> bool:
    same_op = x.op is not None and x.op is y.op
    return x.buffer is y.buffer and (x.writes or y.writes) and not same_op


def least_shift(kernel: Kernel, first: str, second: str) -> int | None:
    """By how much a loop has to lag behind one before it, to come after what it depends on; None: no lag is enough."""
    a, b = find(kernel, first).loop, find(kernel, second).loop
    _in_any_order(a, b)
    head, joined = _lagging(a, b, 0)
    made = in_block(kernel, b, lambda block: _joined(block, a, b, joined))
    found = find(made, first)
    early, late = _parts(made, found, head)
    most = 0.0
    for x in early.accesses:
        for y in late.accesses:
            bounds = late.distances(y, x, [joined.var]) if _conflict(x, y) else None
            most = max(most, bounds[joined.var][1]) if bounds is not None else most
    return int(most) if most < late.length(joined.var) else None
