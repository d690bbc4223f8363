"""Steps that change loops: split, tile, reorder, unroll, vectorize, parallel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from math import prod

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import INDEX
from gemel.semantics.fold import Folding, fold
from gemel.semantics.ir import Const, Expr, For, If, Kernel, LoopKind, Ref, Stmt, Var
from gemel.semantics.schedule import depend
from gemel.semantics.schedule.names import Found, Renaming, find, names, nest, refuse, rewritten, unused, wrap
from gemel.semantics.schedule.names import loops as every_loop
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, blocks_of, subexprs

TAILS = ("guard", "bound", "cut")


def split(kernel: Kernel, loop: str, factor: int, outer: str = "", inner: str = "", tail: str = "guard") -> Kernel:
    """A loop as two: `outer` over blocks of `factor` iterations, `inner` over those of a block.

    Where the factor doesn't divide the number of iterations, `tail` says what becomes of the last block: "guard" puts
    a condition around the body, "bound" ends the inner loop early, "cut" gives the last block a loop of its own.
    Raises ScheduleError for a loop with another step than 1, or one that may end early.
    """
    s = find(kernel, loop).loop
    _plain(s)
    if isinstance(factor, bool) or not isinstance(factor, int) or factor < 1 or tail not in TAILS:
        raise refuse(
            f"split by {factor!r} with tail {tail!r}", s.span, f"a factor from 1; tails are {', '.join(TAILS)}"
        )
    taken = names(kernel)
    outer = unused(outer or f"{loop}_o", taken)
    inner = unused(inner or f"{loop}_i", taken | {outer})
    return rewritten(kernel, s, lambda x: _split(x, factor, outer, inner, tail, taken | {outer, inner}))


def _plain(s: For) -> None:
    if value_of(s.step, {}) != 1 or s.until is not None or s.carry:
        raise refuse(f"the loop {s.var.hint} has a step or may end early", s.span, "split loops with step 1")


def _split(s: For, factor: int, outer: str, inner: str, tail: str, taken: set[str]) -> Body:
    span, count = s.span, fold(build.sub(s.hi, s.lo, s.span))
    o, i = Var(outer, INDEX, span), Var(inner, INDEX, span)
    f, known = build.index(factor, span), value_of(count, {})
    even = known is not None and known % factor == 0
    if tail == "cut" and not even:
        return _cut(s, factor, known, (o, i), taken)
    start = build.mul(Ref(o, span), f, span)
    at = build.add(start, Ref(i, span), span)
    whole = Folding(vars={s.var: build.add(s.lo, at, span)}).body(s.body)
    if not even and tail == "guard":
        whole = guarded(whole, build.apply(ops.LT, at, count, span=span), span)
    rest = build.sub(count, start, span)
    end = f if even or tail == "guard" else build.apply(ops.MIN, f, rest, span=span)
    blocks = _ceil_div(count, factor, span)
    return (_loop(o, blocks, (_loop(i, end, whole, s),), s),)


def _loop(v: Var, hi: Expr, body: Body, like: For) -> For:
    return For(v, build.index(0, like.span), hi, build.index(1, like.span), like.kind, body, like.span)


def _ceil_div(count: Expr, factor: int, span: Span) -> Expr:
    known = value_of(count, {})
    if known is not None:
        return build.index(-(-known // factor), span)
    more = build.add(count, build.index(factor - 1, span), span)
    return build.apply(ops.FLOORDIV, more, build.index(factor, span), span=span)


def guarded(body: Body, cond: Expr, span: Span) -> Body:
    """A condition around what a nest does, inside of its loops, so that it stays a perfect nest."""
    if len(body) == 1 and isinstance(body[0], For) and body[0].until is None:
        return (replace(body[0], body=guarded(body[0].body, cond, span)),)
    if len(body) == 1 and isinstance(body[0], If) and not body[0].orelse:
        return (replace(body[0], cond=build.both(cond, body[0].cond, span)),)
    return (If(cond, body, (), span),)


def _cut(s: For, factor: int, known: int | None, inside: tuple[Var, Var], taken: set[str]) -> Body:
    if known is None:
        raise refuse(f"{s.var.hint} has no known number of iterations to cut", s.span, "specialize the kernel first")
    whole = known - known % factor
    middle = fold(build.add(s.lo, build.index(whole, s.span), s.span))
    parts: list[Stmt] = []
    if whole:
        parts += _split(replace(s, hi=middle), factor, inside[0].hint, inside[1].hint, "guard", taken)
    rest = Var(unused(f"{inside[1].hint}_rest", taken), s.var.dtype, s.span)
    taken.add(rest.hint)
    copier = Renaming(taken)
    copier.vars[s.var] = Ref(rest, s.span)
    parts.append(replace(s, var=rest, lo=middle, body=copier.body(s.body)))
    return tuple(parts)


def reorder(kernel: Kernel, *order: str) -> Kernel:
    """The loops of a perfect nest in another order, outermost first; loops of it that aren't named stay in place.

    Raises ScheduleError where that would swap two iterations that depend on each other, or where a loop's bounds need
    a loop that would come inside of it.
    """
    if len(set(order)) != len(order) or not order:
        raise refuse("reorder takes each loop once", kernel.span)
    places = [find(kernel, name) for name in order]
    first = min(places, key=lambda f: len(f.around))
    whole = nest(first.loop)
    wanted = [f.loop for f in places]
    for s in wanted:
        if not any(s is x for x in whole):
            chain = ", ".join(x.var.hint for x in whole)
            raise refuse(f"{s.var.hint} is in no perfect nest with {first.loop.var.hint}", s.span, f"its nest: {chain}")
    left = iter(wanted)
    new = [next(left) if any(x is w for w in wanted) else x for x in whole]
    last = max(n for n, (a, b) in enumerate(zip(whole, new, strict=True)) if a is not b or n == 0) + 1
    _bounds_known(new)
    depend.order_kept(kernel, first, whole[:last], new[:last])
    body = whole[-1].body
    made = rewritten(kernel, first.loop, lambda _: wrap(new, body))
    for n, s in enumerate(new[:last]):
        before = whole[: next(k for k, x in enumerate(whole) if x is s)]
        if s.kind in depend.UNORDERED and not all(any(x is y for y in new[:n]) for x in before):
            depend.independent(made, find(made, s.var.hint))  # what kept its iterations apart may be inside of it now
    return made


def _bounds_known(order: Iterable[For]) -> None:
    seen: set[Var] = set()
    chain = list(order)
    for s in chain:
        inner = {x.var for x in chain} - seen - {s.var}
        needs = [e.var for bound in (s.lo, s.hi, s.step) for e in subexprs(bound) if isinstance(e, Ref)]
        missing = [v for v in needs if v in inner]
        if missing:
            raise refuse(
                f"the bounds of {s.var.hint} need {missing[0].hint}, which would come inside of it", s.span, code="K02"
            )
        seen.add(s.var)


def tile(kernel: Kernel, **sizes: int) -> Kernel:
    """The loops of a perfect nest in blocks: a loop `i` of blocks is `i_o`, that in a block `i_i`.

    Raises ScheduleError where `split` or `reorder` would.
    """
    if len(sizes) < 2:
        raise refuse("tile takes two loops or more, each with the size of its blocks", kernel.span, "tile(i=8, j=16)")
    parts = []
    for loop, size in sizes.items():
        taken = names(kernel)
        outer = unused(f"{loop}_o", taken)
        parts.append((outer, unused(f"{loop}_i", taken | {outer})))
        kernel = split(kernel, loop, size, *parts[-1])
    return reorder(kernel, *(o for o, _ in parts), *(i for _, i in parts))


def unroll(kernel: Kernel, *loops: str) -> Kernel:
    """Loops of known length written out, one copy of the body for each iteration."""
    for name in loops:
        s = find(kernel, name).loop
        if not all(isinstance(e, Const) for e in (s.lo, s.hi, s.step)):
            raise refuse(f"{name} has no known number of iterations", s.span, "split it by a number first")
        copies = _copies(kernel, s)
        if copies > MOST_COPIES:
            raise refuse(
                f"{name} would be written out {copies:,} times, with the unrolled loops around it and in it",
                s.span,
                f"split it first: {MOST_COPIES:,} copies are the most",
            )
        kernel = _marked(kernel, s, LoopKind.UNROLL)
    return kernel


MOST_COPIES = 4096
"""Copies of a body beyond which a loop isn't written out."""


def _copies(kernel: Kernel, s: For) -> int:
    """How often the innermost body of a loop is there when it is written out too."""
    around = next(f.around for f in every_loop(kernel.body) if f.loop is s)
    return prod(_trips(x) for x in (*around, s) if x is s or x.kind is LoopKind.UNROLL) * _inner_copies(s.body)


def _inner_copies(body: Body) -> int:
    found = [1]
    for s in body:
        inner = max(map(_inner_copies, blocks_of(s)), default=1)
        found.append(inner * (_trips(s) if isinstance(s, For) and s.kind is LoopKind.UNROLL else 1))
    return max(found)


def _trips(s: For) -> int:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return 1 if lo is None or hi is None or not step else len(range(lo, hi, step))


def vectorize(kernel: Kernel, loop: str) -> Kernel:
    """A loop of known, small length as vector instructions: all iterations at once, one in each lane.

    Raises ScheduleError where iterations depend on each other.
    """
    found = find(kernel, loop)
    _lanes(found.loop)
    depend.independent(kernel, found)
    return _marked(kernel, found.loop, LoopKind.VECTOR)


def _lanes(s: For) -> None:
    hi = value_of(s.hi, {})
    if value_of(s.lo, {}) != 0 or hi is None or not 2 <= hi <= 64 or value_of(s.step, {}) != 1:
        raise refuse(
            f"{s.var.hint} is no loop of 2 to 64 iterations from 0",
            s.span,
            f'split it first: split("{s.var.hint}", 16)',
        )


def parallel(kernel: Kernel, loop: str) -> Kernel:
    """The iterations of a loop shared out among threads.

    Raises ScheduleError where iterations depend on each other.
    """
    found = find(kernel, loop)
    depend.independent(kernel, found)
    return _marked(kernel, found.loop, LoopKind.PARALLEL)


def _marked(kernel: Kernel, s: For, kind: LoopKind) -> Kernel:
    return rewritten(kernel, s, lambda x: (replace(x, kind=kind),))


__all__ = ["Found", "guarded", "parallel", "reorder", "split", "tile", "unroll", "vectorize"]
