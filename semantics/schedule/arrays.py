"""Steps about where and how a local array lies: its axes, the loop that it is made in, the memory that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import INDEX
from gemel.semantics.ir import Alloc, Buffer, Call, Expr, For, Kernel, Load, Reduce, Ref, Stmt, Store, Var
from gemel.semantics.ranges import Linear
from gemel.semantics.schedule.depend import Access, Dependences, meet
from gemel.semantics.schedule.names import block_of, find, find_buffer, loops, refuse, rewritten
from gemel.semantics.schedule.windows import Use, alike, uses
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_blocks, map_body, statements

Indices = tuple[Expr, ...]


def layout(kernel: Kernel, buffer: str, *axes: int) -> Kernel:
    """A local array with its axes in another order: axis n is what axis `axes[n]` was; the last one is contiguous."""
    old = _local(kernel, buffer)
    if sorted(axes) != list(range(old.buffer.rank)):
        raise refuse(f"{axes} is no order of the {old.buffer.rank} axes of {buffer}", old.span)
    new = replace_shape(old.buffer, tuple(old.buffer.shape[n] for n in axes))
    return exchanged(kernel, old.buffer, new, lambda indices: tuple(indices[n] for n in axes))


def localize(kernel: Kernel, buffer: str, at: str) -> Kernel:
    """A local array made anew in each iteration of the loop `at`, no larger than what an iteration uses of it.

    Raises ScheduleError where it is used outside of the loop, or where two iterations use the same element.
    """
    old, found = _local(kernel, buffer), find(kernel, at)
    b, loop = old.buffer, found.loop
    outside = sum(1 for _ in uses(kernel.body, b)) - sum(1 for _ in uses(loop.body, b))
    if outside or any(s is old for s in statements(loop.body)):
        raise refuse(f"{buffer} is used outside of {at}, or made in it already", loop.span, code="K02")
    if not any(s is old for s in block_of(kernel.body, loop)):
        raise refuse(f"{buffer} isn't made in the block of {at}", loop.span, "localize it in the loops around first")
    known = Dependences(kernel, found)
    own = [a for a in known.accesses if a.buffer is b]
    if not own:
        raise refuse(f"{buffer} isn't used in {at}", loop.span)
    _apart(known, own, loop)
    windows = [_window(known, own, axis, loop, size) for axis, size in enumerate(b.shape)]
    new = replace_shape(b, tuple(build.index(size, old.span) for _, _, size in windows))

    def moved(indices: Indices) -> Indices:
        return tuple(_within(known, e, loop.var, w) for e, w in zip(indices, windows, strict=True))

    kernel = rewritten(
        replace(kernel, body=_without(kernel.body, old)),
        loop,
        lambda s: (replace(s, body=(Alloc(b, old.span, old.filled), *s.body)),),
    )
    return exchanged(kernel, b, new, moved)


def reuse(kernel: Kernel, buffer: str, old: str) -> Kernel:
    """The local array `buffer` takes the memory of `old`, which is made in the same block and read no more after.

    Raises ScheduleError where an element of `old` could be read after the one of `buffer` in its place is stored.
    """
    new, before = _local(kernel, buffer), _local(kernel, old)
    b, o = new.buffer, before.buffer
    if b.dtype != o.dtype or b.rank != o.rank or not all(map(alike, b.shape, o.shape)):
        raise refuse(f"{buffer} and {old} are not of one shape and type", new.span)
    block = block_of(kernel.body, new)
    if not any(s is before for s in block) or not _later(block, before, new):
        raise refuse(f"{old} isn't made before {buffer} in the same block", new.span)
    _dead(kernel, block, b, o)
    kernel = replace(kernel, body=_without(kernel.body, new))
    return exchanged(kernel, b, o, lambda indices: indices)


# ------------------------------------------------------------------------------------------------------------- helpers


def replace_shape(b: Buffer, shape: Indices) -> Buffer:
    """A new buffer like another one, with other sizes."""
    return Buffer(b.hint, b.dtype, shape, b.span, b.data)


def _local(kernel: Kernel, name: str) -> Alloc:
    b = find_buffer(kernel, name)
    for s in statements(kernel.body):
        if isinstance(s, Alloc) and s.buffer is b and b.data is None:
            return s
    raise refuse(f"{name} is no local array", kernel.span, "arguments, results and tables stay as they are")


def exchanged(kernel: Kernel, old: Buffer, new: Buffer, place: Callable[[Indices], Indices]) -> Kernel:
    """The kernel with another buffer in place of one; `place` gives where an element is."""
    if any(isinstance(s, Call) for s in statements(kernel.body)):
        raise refuse(f"a call may use {old.hint}", kernel.span, "inline the call", "K02")

    def expr(e: Expr) -> Expr:
        return Load(new, place(e.indices), e.span) if isinstance(e, Load) and e.buffer is old else e

    def stmt(s: Stmt) -> Stmt:
        if isinstance(s, Alloc) and s.buffer is old:
            return replace(s, buffer=new)
        if isinstance(s, Store | Reduce) and s.buffer is old:
            return replace(s, buffer=new, indices=place(s.indices))
        return s

    return replace(kernel, body=map_body(kernel.body, expr, stmt))


def _without(body: Body, gone: Stmt) -> Body:
    out = tuple(map_blocks(s, lambda inner: _without(inner, gone)) for s in body if s is not gone)
    return body if len(out) == len(body) and all(a is b for a, b in zip(out, body, strict=True)) else out


def _apart(known: Dependences, own: list[Access], loop: For) -> None:
    """Raises ScheduleError where two iterations of a loop use one element."""
    v = loop.var
    for a in own:
        for b in own:
            if not (a.writes or b.writes):
                continue
            bounds = known.distances(a, b, [v])
            if bounds is None or bounds[v] == (0, 0):
                continue
            meeting = meet(known, a, b, [v], [v], [v])
            if meeting is not None:
                raise refuse(
                    f"iterations of {v.hint} share elements of {a.buffer.hint}: {meeting}", loop.span, code="K02"
                )


Window = tuple[int, int, int]
"""By how many elements an iteration's part of an axis moves on, where that of iteration 0 begins, and its size."""


def _window(known: Dependences, own: list[Access], axis: int, loop: For, size: Expr) -> Window:
    forms = [a.forms[axis] for a in own]
    whole = value_of(size, {})
    steps = {f.terms.get(loop.var, 0) for f in forms if f is not None}
    if None in forms or whole is None or steps == {0}:
        if whole is None or steps - {0}:
            raise refuse(f"which elements an iteration of {loop.var.hint} uses isn't known", loop.span)
        return 0, 0, whole
    if len(steps) != 1:
        raise refuse(f"the window of {own[0].buffer.hint} moves by {sorted(steps)} at once", loop.span)
    step = steps.pop()
    ends = [_ends(known, f, loop.var) for f in forms if f is not None]
    low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    if high - low >= whole:
        return 0, 0, whole
    return step, low, high - low + 1


def _ends(known: Dependences, form: Linear, without: Var) -> tuple[int, int]:
    """The range of an index less the part that moves with the loop."""
    low = high = form.constant
    for v, c in form.terms.items():
        if v is not without:
            ends = [int(c * end) for end in known._interval(v)]
            low, high = low + min(ends), high + max(ends)
    return low, high


def _within(known: Dependences, e: Expr, v: Var, window: Window) -> Expr:
    """An index in the window."""
    step, low, _ = window
    if (step, low) == (0, 0):
        return e
    form = known.ranges.linear(e)
    if form is None:
        return e
    rest = Linear(form.constant - low, {x: c for x, c in form.terms.items() if x is not v})
    return from_linear(rest, e.span)


def from_linear(form: Linear, span: Span) -> Expr:
    """The expression of a linear form."""
    total: Expr | None = None
    for v, c in form.terms.items():
        term = build.mul(build.convert(Ref(v, span), INDEX), build.index(c, span), span)
        total = term if total is None else build.add(total, term, span)
    constant = build.index(form.constant, span)
    return constant if total is None else build.add(total, constant, span)


def quotient(form: Linear, k: int, span: Span) -> Expr:
    """A linear form divided by a positive number, rounded down."""
    whole = from_linear(form, span)
    return whole if k == 1 else build.apply(ops.FLOORDIV, whole, build.index(k, span), span=span)


def _later(block: Body, first: Stmt, second: Stmt) -> bool:
    places = [n for n, s in enumerate(block) if s is first or s is second]
    return len(places) == 2 and block[places[0]] is first


def _dead(kernel: Kernel, block: Body, b: Buffer, old: Buffer) -> None:
    """Raises ScheduleError unless the first statement that uses `b` is the last that uses `old`, place by place."""
    touching = [s for s in block if not isinstance(s, Alloc) and any(True for _ in uses((s,), b))]
    if not touching:
        raise refuse(f"{b.hint} isn't used", b.span)
    first = touching[0]
    after = block[next(n for n, s in enumerate(block) if s is first) + 1 :]
    late = next(uses(after, old), None)
    if late is not None:
        raise refuse(f"{old.hint} is used after {b.hint} is stored to", late.stmt.span, code="K02")
    mine, its = list(uses((first,), b)), list(uses((first,), old))
    stores = {id(u.stmt): u.stmt for u in mine}
    if len(stores) != 1 or not isinstance(mine[0].stmt, Store):
        if its:
            raise refuse(f"{b.hint} and {old.hint} are used at several places in one loop", first.span, code="K02")
        return
    for u in its:
        if u.stmt is not mine[0].stmt or not all(map(alike, u.indices, mine[0].stmt.indices)):
            raise refuse(f"{old.hint} is read elsewhere than where {b.hint} is stored", u.stmt.span, code="K02")
    if its and mine[0].loops:
        _once(kernel, mine[0], b)


def _once(kernel: Kernel, use: Use, b: Buffer) -> None:
    """Raises ScheduleError where an element may be stored twice: the second time, what it is made of is gone."""
    top = use.loops[0]
    found = next(f for f in loops(kernel.body) if f.loop is top)
    known = Dependences(kernel, found)
    known.private.clear()
    order = [s.var for s in use.loops]
    for a in known.accesses:
        if a.buffer is b and a.writes:
            bounds = known.distances(a, a, order)
            if bounds is None or any(x != (0, 0) for x in bounds.values()):
                raise refuse(f"an element of {b.hint} may be stored twice", top.span, code="K02")
