"""The step that computes once what two loops in a row compute."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Buffer,
    Expr,
    For,
    Kernel,
    Load,
    Ref,
    Store,
    While,
)
from gemel.semantics.schedule.names import find, in_block, names, refuse, unused
from gemel.semantics.schedule.windows import alike, variables
from gemel.semantics.traverse import Body, exprs_of, map_body, statements, stored, subexprs


def share(kernel: Kernel, first: str, second: str, name: str = "") -> Kernel:
    """The largest expression that two loops have in common is computed in the first and kept for the second.

    The loops run over the same known range from 0, one after the other in the same block. Raises ScheduleError where
    they have no expression in common that costs more than a load, or where what it is made of changes in between.
    """
    a, b = find(kernel, first).loop, find(kernel, second).loop
    if a is b:
        raise refuse(f"share takes two loops, not {first} twice", a.span)
    count = _same_range(a, b)
    e = _largest(a, b)
    if e is None:
        raise refuse(f"{first} and {second} compute nothing in common", b.span)
    local = Buffer(unused(name or f"{first}_kept", names(kernel)), e.dtype, (build.index(count, a.span),), a.span)
    return in_block(kernel, b, lambda block: _kept(block, a, b, e, local))


def _same_range(a: For, b: For) -> int:
    known = [tuple(value_of(x, {}) for x in (s.lo, s.hi, s.step)) for s in (a, b)]
    lo, hi, step = known[0]
    if known[0] != known[1] or lo != 0 or hi is None or step != 1 or a.until is not None or b.until is not None:
        raise refuse(f"{a.var.hint} and {b.var.hint} don't run over the same known range from 0", b.span)
    if any(isinstance(s, For | While | Assert) for s in statements(a.body)):
        raise refuse(f"{a.var.hint} is no innermost loop", a.span)
    return hi


def _kept(block: Body, a: For, b: For, e: Expr, local: Buffer) -> Body:
    """The block of the two loops with `e` computed in the first and read in the second."""
    places = [n for n, s in enumerate(block) if s is a or s is b]
    if len(places) != 2 or block[places[0]] is not a:
        raise refuse(f"{b.var.hint} doesn't come after {a.var.hint} in the same block", b.span)
    read = {x.buffer for x in subexprs(e) if isinstance(x, Load)}
    if read & stored(block[places[0] : places[1] + 1]):
        what = f"what {a.var.hint} and {b.var.hint} have in common changes in between"
        raise refuse(what, b.span, code="K02")
    made = (*block[: places[0]], Alloc(local, a.span, filled=True), _keeping(a, e, local))
    return (*made, *block[places[0] + 1 : places[1]], _reading(a, b, e, local), *block[places[1] + 1 :])


def _largest(a: For, b: For) -> Expr | None:
    """The largest expression of the first loop, with its variable in it, that the second has with its own."""
    own = [x for s in a.body for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Apply) and _about(x, a, a.body)]
    other = [x for s in statements(b.body) for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Apply)]
    copier = Folding(vars={a.var: Ref(b.var, b.span)})
    for e in sorted(own, key=lambda e: -sum(1 for _ in subexprs(e))):
        moved = copier.expr(e)
        if any(isinstance(x, Load) for x in subexprs(e)) and any(alike(moved, x) for x in other):
            return e
    return None


def _about(e: Expr, loop: For, body: Body) -> bool:
    """Whether an expression is about the loop's variable and nothing else that the loop binds."""
    bound = {s.var for s in statements(body) if hasattr(s, "var")}
    own = variables(e)
    return loop.var in own and not own & (bound - {loop.var})


def _keeping(a: For, e: Expr, local: Buffer) -> For:
    place: tuple[Expr, ...] = (Ref(a.var, a.span),)
    kept = _replaced(a.body, e, Load(local, place, a.span))
    return replace(a, body=(Store(local, place, e, a.span), *kept))


def _reading(a: For, b: For, e: Expr, local: Buffer) -> For:
    moved = Folding(vars={a.var: Ref(b.var, b.span)}).expr(e)
    return replace(b, body=_replaced(b.body, moved, Load(local, (Ref(b.var, b.span),), b.span)))


def _replaced(body: Body, e: Expr, new: Expr) -> Body:
    return map_body(body, expr=lambda x: new if alike(x, e) else x)
