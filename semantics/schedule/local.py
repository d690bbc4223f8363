"""Steps that keep data close: windows of buffers packed in local arrays, accumulators in registers."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Const, Expr, For, If, Kernel, Load, Reduce, Stmt, Store, Var
from gemel.semantics.schedule.depend import Dependences, each_its_own, meet
from gemel.semantics.schedule.names import names, refuse, rewritten
from gemel.semantics.schedule.windows import Window, alike, copies, filled, uses, window_of
from gemel.semantics.traverse import Body, exprs_of, map_body, stored, subexprs


def stage(kernel: Kernel, buffer: str, at: str, *order: str, name: str = "") -> Kernel:
    """Copies what the loop `at` reads of a buffer into a local array, at the start of each of its iterations.

    The array has a dimension for each loop of `order`, which also says how it lies in memory: the last one is
    contiguous. Where the buffer is read at several places, it is the one that these loops lead to. Raises ScheduleError
    where the buffer changes in the loop, or where several places are left.
    """
    w = window_of(kernel, buffer, at, order, name)
    if w.buffer in stored(w.found.loop.body):
        raise refuse(f"{buffer} changes in {at}", w.found.loop.span, "accumulate keeps what is accumulated", "K02")

    def near(e: Expr) -> Expr:
        here = isinstance(e, Load) and e.buffer is w.buffer and all(map(alike, e.indices, w.indices))
        return Load(w.local, w.own(), e.span) if here else e

    def change(s: For) -> Body:
        fill = filled(w, names(kernel))
        return (replace(s, body=(Alloc(w.local, s.span, filled=True), *fill, *map_body(s.body, expr=near))),)

    return rewritten(kernel, w.found.loop, change)


def accumulate(kernel: Kernel, buffer: str, at: str, *order: str, name: str = "") -> Kernel:
    """Accumulates into a local array in the loop `at`: loaded at the start of each iteration, stored at its end.

    The order of the accumulation stays as it is. Raises ScheduleError where the buffer is used in another way in the
    loop, or where two elements of the array would be one of the buffer.
    """
    w = window_of(kernel, buffer, at, order, name)
    loop = w.found.loop
    for u in uses(loop.body, w.buffer):
        here = all(map(alike, u.indices, w.indices))
        if (
            not here
            or not isinstance(u.stmt, Reduce)
            or any(isinstance(x, Load) and x.buffer is w.buffer for e in exprs_of(u.stmt) for x in subexprs(e))
        ):
            raise refuse(f"{buffer} is not only accumulated into in {at}", u.stmt.span, code="K02")
    _one_to_one(kernel, w)
    each_its_own(kernel, [u.stmt for u in uses(loop.body, w.buffer) if isinstance(u.stmt, Reduce)])

    def near(s: Stmt) -> Stmt:
        return replace(s, buffer=w.local, indices=w.own()) if isinstance(s, Reduce) and s.buffer is w.buffer else s

    def change(s: For) -> Body:
        taken = names(kernel)
        fill, back = filled(w, taken), _stored_back(w, taken)
        return (replace(s, body=(Alloc(w.local, s.span, filled=True), *fill, *map_body(s.body, stmt=near), *back)),)

    return rewritten(kernel, loop, change)


def _one_to_one(kernel: Kernel, w: Window) -> None:
    known = Dependences(kernel, w.found)
    own = [s.var for s in w.order]
    for a in known.accesses:
        if a.buffer is w.buffer:
            bounds = known.distances(a, a, own)
            if bounds is not None and all(b == (0, 0) for b in bounds.values()):
                continue
            meeting = meet(known, a, a, own, own, own)
            if meeting is not None:
                what = f"several values of {', '.join(v.hint for v in own)} go to one element of {w.buffer.hint}"
                raise refuse(f"{what}: {meeting}", w.found.loop.span, code="K02")


def _stored_back(w: Window, taken: set[str]) -> Body:
    def inner(fresh: dict[Var, Expr]) -> Body:
        copier, span = Folding(vars=dict(fresh)), w.found.loop.span
        value = Load(w.local, w.place(lambda s: fresh[s.var]), span)
        back: Stmt = Store(w.buffer, tuple(map(copier.expr, w.indices)), value, span)
        cond = copier.expr(w.cond)
        return (back,) if isinstance(cond, Const) else (If(cond, (back,), (), span),)

    return copies(w.order, f"{w.local.hint}_back", taken, inner)
