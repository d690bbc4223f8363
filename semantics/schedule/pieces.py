"""Steps that take a loop's body apart: its arrays get an axis for the iterations, its statements loops of their own."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Apply, Assert, Buffer, Expr, For, Kernel, Let, Load, Ref, Stmt
from gemel.semantics.ranges import Ranges
from gemel.semantics.schedule.arrays import exchanged
from gemel.semantics.schedule.fusion import apart, in_order
from gemel.semantics.schedule.names import Renaming, find, names, refuse, rewritten
from gemel.semantics.schedule.reach import inside
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import Body, map_body, statements, stored, subexprs

MOST = 1 << 26
"""Elements that an array may have with an axis more."""


def expand(kernel: Kernel, loop: str) -> Kernel:
    """The arrays made in a loop are made before it, with an axis more: each iteration has elements of its own.

    Names of values give way to what they name. Raises ScheduleError where sizes aren't known, where what a name stands
    for changes after it, or where a check is left in the loop.
    """
    found = find(kernel, loop)
    s = found.loop
    made = [x for x in s.body if isinstance(x, Alloc) and x.buffer.data is None]
    lets = [x for x in s.body if isinstance(x, Let)]
    if not made and not lets:
        raise refuse(f"{loop} makes no arrays and names no values", s.span)
    lo, hi = value_of(s.lo, {}), value_of(s.hi, {})
    if lo != 0 or hi is None or value_of(s.step, {}) != 1:
        raise refuse(f"{loop} doesn't run from 0 to a known number", s.span, "specialize the kernel")
    with inside(kernel, s) as (ranges, _):
        body, wider = _without_names(s, ranges), []
        for x in made:
            wider.append((x.buffer, _wider(x.buffer, hi, ranges)))
    allocs = tuple(Alloc(x.buffer, x.span, x.filled) for x in made)
    kernel = rewritten(kernel, s, lambda s: (*allocs, replace(s, body=body)))
    at = Ref(s.var, s.span)
    for old, new in wider:
        kernel = exchanged(kernel, old, new, lambda indices: (at, *indices))
    return kernel


def _without_names(s: For, ranges: Ranges) -> Body:
    """A loop's body with values in place of their names, and without arrays and checks that hold."""
    copier, out = Folding(), list[Stmt]()
    for n, x in enumerate(s.body):
        if isinstance(x, Let):
            read = {e.buffer for e in subexprs(x.value) if isinstance(e, Load)}
            if read & stored(s.body[n + 1 :]):
                raise refuse(f"what {x.var.hint} stands for changes after it", x.span, code="K02")
            copier.vars[x.var] = copier.expr(x.value)
        elif isinstance(x, Assert) and not _holds(x.cond, ranges):
            raise refuse(f"a check in {s.var.hint} has to come in order", x.span, "call verify() first", "K02")
        elif not isinstance(x, Alloc | Assert) or (isinstance(x, Alloc) and x.buffer.data is not None):
            out.append(x)
        ranges.pass_by(x)
    return _valued(tuple(out), copier)


def _valued(body: Body, copier: Folding) -> Body:
    """A block with values in place of names; its binders stay."""
    for s in (x for x in statements(body) if isinstance(x, Alloc)):
        if {v for n in s.buffer.shape for v in variables(n)} & copier.vars.keys():
            raise refuse(f"the size of {s.buffer.hint} has a name", s.span, code="K02")
    return map_body(body, expr=lambda e: copier.vars.get(e.var, e) if isinstance(e, Ref) else e)


def _holds(cond: Expr, ranges: Ranges) -> bool:
    """Whether two sides are the same number."""
    if not isinstance(cond, Apply) or cond.op is not ops.EQ:
        return False
    a, b = (ranges.linear(e) for e in cond.args)
    gap = None if a is None or b is None else a.plus(b.scaled(-1))
    return gap is not None and not gap.terms and gap.constant == 0


def _wider(b: Buffer, count: int, ranges: Ranges) -> Buffer:
    sizes = [ranges.of(size)[1] for size in b.shape]
    total = count
    for n in sizes:
        total *= max(n, 1)
    if total > MOST:
        raise refuse(f"{b.hint} has no known size for all iterations", b.span, "specialize the kernel")
    return Buffer(b.hint, b.dtype, tuple(build.index(n, b.span) for n in (count, *sizes)), b.span)


def distribute(kernel: Kernel, loop: str) -> Kernel:
    """Each statement of a loop's body gets a loop of its own, one after the other.

    Raises ScheduleError where an iteration of one needs what a later iteration of one after it makes, or where
    statements share names.
    """
    s = find(kernel, loop).loop
    if len(s.body) < 2:
        raise refuse(f"{loop} has one statement", s.span)
    for n in range(1, len(s.body)):
        apart(s.body[:n], s.body[n:], [s])
        in_order(kernel, [s], n)
    taken = names(kernel)
    parts: list[Stmt] = []
    for x in s.body[:-1]:
        copier = Renaming(taken)
        parts += copier.body((replace(s, body=(x,)),))
        taken = copier.taken
    return rewritten(kernel, s, lambda s: (*parts, replace(s, body=s.body[-1:])))
