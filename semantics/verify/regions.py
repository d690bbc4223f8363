"""Which elements are initialised, and what all elements of a buffer have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import z3

from gemel.semantics.dtypes import BoolType, FixedType, FloatType
from gemel.semantics.ir import Alloc, Buffer, Kernel
from gemel.semantics.traverse import statements
from gemel.semantics.verify.memory import solve
from gemel.semantics.verify.state import Place, Region, State, newer
from gemel.semantics.verify.terms import Bool, Num
from gemel.semantics.verify.unknowns import fresh_int

Rule = Callable[[Num, Place], Bool]
"""What an element with a value at a place fulfils."""


def covered(known: Sequence[Region], place: Place) -> Bool:
    """Whether an element is in one of the regions."""
    ways = [way for region in known if (way := _inside(region, place)) is not None]
    return z3.Or(*ways) if ways else z3.BoolVal(False)


def _inside(region: Region, place: Place) -> Bool | None:
    values = solve(region.place, place, region.variables)
    if values is None or any(v not in values for v in region.variables):
        return None
    swap = [(v, values[v]) for v in region.variables]
    equal = [z3.substitute(p, *swap) == target for p, target in zip(region.place, place, strict=True)]
    return z3.simplify(z3.And(z3.substitute(region.cond, *swap), *equal))


def generalised(found: Sequence[Region], var: Any, ran: Callable[[Any], Bool], start: int) -> list[Region]:
    """What iterations of a loop initialise: `found` is what the one at `var` does, `ran` says of which it is known.

    Regions that depend on what the loop changes are left out.
    """
    made = []
    for r in found:
        allowed = [var, *r.variables]
        if any(newer(t, start, allowed) for t in (r.cond, *r.place)):
            continue
        own = fresh_int("each")
        place = tuple(z3.substitute(p, (var, own)) for p in r.place)
        made.append(Region((own, *r.variables), z3.And(ran(own), z3.substitute(r.cond, (var, own))), place))
    return made


def element_candidates(kernel: Kernel, state: State) -> dict[Buffer, list[Rule]]:
    """What the elements of each integer buffer of the kernel's own may have in common: bounds by 0 and by sizes."""
    locals_ = [s.buffer for s in statements(kernel.body) if isinstance(s, Alloc) and s.buffer.data is None]
    dims = [d.term for d in (state.vars[v] for v in kernel.dims) if isinstance(d, Num)]
    found: dict[Buffer, list[Rule]] = {}
    for b in (*locals_, *kernel.results):
        if b.rank and not isinstance(b.dtype, FloatType | BoolType | FixedType):
            found[b] = [_at_least(0), _at_least(-1), *(_below(d, n) for d in dims for n in (0, 1))]
            found[b] += [_under(n) for n in (0, 1)] if b.rank == 1 else []
    return found


def _at_least(least: int) -> Rule:
    return lambda n, place: n.term >= least


def _below(bound: Any, more: int) -> Rule:
    return lambda n, place: n.term < bound + more


def _under(more: int) -> Rule:
    """Below the element's own index plus `more`: links that lead backwards."""
    return lambda n, place: n.term < place[0] + more


def table_rules(b: Buffer) -> list[Rule]:
    """The range of a constant table's elements."""
    if b.data is None or not b.data.size or b.data.dtype.kind not in "iu":
        return []
    lo, hi = int(b.data.min()), int(b.data.max())
    return [lambda n, place: z3.And(n.term >= lo, n.term <= hi)]
