"""The step that makes one loop of two."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.ir import Alloc, Assert, For, Kernel, Let, Ref, Stmt, Store, While
from gemel.semantics.schedule.depend import Dependences, Meeting, locals_of, meet
from gemel.semantics.schedule.local import alike
from gemel.semantics.schedule.names import Found, find, refuse
from gemel.semantics.traverse import Body, Copier, loaded, map_blocks, statements, stored


def fuse(kernel: Kernel, first: str, second: str) -> Kernel:
    """Two loops over the same range as one, with the body of the second after that of the first.

    The second loop comes after the first in the same block; what stands between must not touch what the first does.
    Raises ScheduleError where an iteration of the second needs a later one of the first.
    """
    a, b = find(kernel, first), find(kernel, second)
    _same_range(a.loop, b.loop)
    moved = Copier(vars={b.loop.var: Ref(a.loop.var, a.loop.span)})
    joined = replace(a.loop, body=(*a.loop.body, *moved.body(b.loop.body)))
    made = replace(kernel, body=_joined(kernel.body, a.loop, b.loop, joined))
    _in_order(made, joined, len(a.loop.body))
    return made


def _same_range(a: For, b: For) -> None:
    bounds = zip((a.lo, a.hi, a.step), (b.lo, b.hi, b.step), strict=True)
    if a.kind is not b.kind or a.until is not None or b.until is not None or not all(alike(x, y) for x, y in bounds):
        raise refuse(f"{a.var.hint} and {b.var.hint} don't run over the same range", b.span)
    for s in (*statements(a.body), *statements(b.body)):
        if isinstance(s, Assert | While) or (isinstance(s, For) and s.until is not None):
            raise refuse(
                f"a check or an early end in {a.var.hint} or {b.var.hint} has to come in order",
                s.span,
                "call verify() before schedule(): what is proved needs no check",
                "K02",
            )


def _joined(body: Body, a: For, b: For, joined: For) -> Body:
    """The block with the first loop gone and the second one replaced by both."""
    places = [n for n, s in enumerate(body) if s is a or s is b]
    if len(places) == 2 and body[places[0]] is a:
        between = body[places[0] + 1 : places[1]]
        for s in between:
            _may_come_before(s, a)
        return (*body[: places[0]], *between, joined, *body[places[1] + 1 :])
    out = tuple(map_blocks(s, lambda inner: _joined(inner, a, b, joined)) for s in body)
    if places:
        raise refuse(f"{b.var.hint} doesn't come after {a.var.hint} in the same block", b.span)
    return body if all(x is y for x, y in zip(out, body, strict=True)) else out


def _may_come_before(s: Stmt, loop: For) -> None:
    touched = stored((s,)) & (loaded((loop,)) | stored((loop,))) or loaded((s,)) & stored((loop,))
    if not isinstance(s, Alloc | Let | Store | For) or touched or isinstance(s, Assert):
        raise refuse(f"what stands between has to come after {loop.var.hint}", s.span, code="K02")


def _in_order(kernel: Kernel, joined: For, head: int) -> None:
    """Raises ScheduleError where an iteration's tail comes before a later iteration's head that it depends on."""
    found = next((f for f in _all(kernel) if f.loop is joined), None)
    if found is None:
        raise refuse(f"{joined.var.hint} has no second loop in its block", joined.span)
    first = Dependences(kernel, Found(joined, found.around), part=slice(0, head))
    second = Dependences(kernel, Found(joined, found.around), part=slice(head, None))
    second.intervals.update(first.intervals)
    second.private |= first.private
    local, v = locals_of(joined.body), joined.var
    for x in first.accesses:
        for y in second.accesses:
            if x.buffer is not y.buffer or x.buffer in local or not (x.writes or y.writes):
                continue
            if x.op is not None and x.op is y.op:
                continue
            bounds = second.distances(y, x, [v])
            if bounds is None or bounds[v][1] <= 0:
                continue
            meeting: Meeting | None = meet(second, y, x, [v], [v], [v])
            if meeting is not None:
                raise refuse(f"{joined.var.hint} would come too early: {meeting}", joined.span, code="K02")


def _all(kernel: Kernel) -> list[Found]:
    from gemel.semantics.schedule.names import loops

    return list(loops(kernel.body))
