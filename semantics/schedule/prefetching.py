"""The step that asks for memory before it is needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from gemel.semantics import build
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Expr, For, Kernel, Let, Load, LoopKind, Ref, Var
from gemel.semantics.schedule.names import find, find_buffer, refuse, rewritten
from gemel.semantics.schedule.windows import Use, uses, variables
from gemel.semantics.traverse import statements, subexprs

MOST = 64
"""Elements that an iteration may ask for."""


def prefetch(kernel: Kernel, buffer: str, loop: str, distance: int = 1) -> Kernel:
    """What is read of a buffer `distance` iterations of a loop later is asked for already.

    The innermost serial loop that the place depends on asks, for each copy of what is unrolled in it, and for the first
    lane of vectors. That changes no result. Raises ScheduleError where the loop doesn't read the buffer, or where it
    can't be told early where.
    """
    b, found = find_buffer(kernel, buffer), find(kernel, loop)
    outer = found.loop
    if isinstance(distance, bool) or not isinstance(distance, int) or distance < 1:
        raise refuse(f"a distance of {distance!r} iterations", outer.span, "a number from 1")
    use = next((u for u in uses(outer.body, b) if getattr(u.stmt, "buffer", None) is not b), None)
    if use is None:
        raise refuse(f"{buffer} isn't read in {loop}", outer.span, "name the loop around its uses")
    made = {s.var for s in statements(outer.body) if isinstance(s, Let)}
    if made & {v for i in use.indices for v in variables(i)} or any(map(_reads, use.indices)):
        raise refuse(f"where {buffer} is read is known late in {loop}", use.stmt.span, code="K02")
    asker = _asker(outer, use)
    ahead = (*asker.ahead, *(Load(b, place, use.stmt.span) for place in _places(outer, use, distance)))
    if len(ahead) > MOST:
        raise refuse(f"an iteration of {asker.var.hint} would ask for more than {MOST} elements", outer.span)
    return rewritten(kernel, asker, lambda s: (replace(s, ahead=ahead),))


def _reads(e: Expr) -> bool:
    return any(isinstance(x, Load) for x in subexprs(e))


def _asker(outer: For, use: Use) -> For:
    """The innermost serial loop that a place depends on; at least the loop itself."""
    own = {v for i in use.indices for v in variables(i)}
    serial = [s for s in use.loops if s.kind is LoopKind.SERIAL and s.var in own]
    return serial[-1] if serial else outer


def _places(outer: For, use: Use, distance: int) -> list[tuple[Expr, ...]]:
    """The places that one iteration of the loop that asks stands for, `distance` iterations of `outer` later."""
    own = {v for i in use.indices for v in variables(i)}
    inner = [s for s in use.loops if s.kind is not LoopKind.SERIAL and s.var in own]
    later = build.add(Ref(outer.var, outer.span), build.index(distance, outer.span), outer.span)
    found = []
    for at in product(*(_values(s) for s in inner)):
        named: dict[Var, Expr] = {s.var: build.index(n, s.span) for s, n in zip(inner, at, strict=True)}
        copier = Folding(vars={outer.var: later, **named})
        found.append(tuple(map(copier.expr, use.indices)))
    return found


def _values(s: For) -> range:
    lo, hi = value_of(s.lo, {}), value_of(s.hi, {})
    if lo is None or hi is None:
        raise refuse(f"{s.var.hint} has no known number of iterations", s.span, "split it by a number first")
    return range(lo, lo + 1) if s.kind is LoopKind.VECTOR else range(lo, hi)
