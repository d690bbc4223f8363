"""The default schedule of small sums over planes, and what keeps planes near: filters of an image, say.

A sum of a few products for each element has no operand to pack: it is written out, columns run along the lanes, and
some rows are computed together, since they load the same elements. Nests over the same planes, one after the other,
become one loop, and arrays between them shrink to a plane, which stays in the first caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from gemel.codegen.host import Host
from gemel.codegen.places import element_bytes, known_shape
from gemel.codegen.rules.choices import choose, whether
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType, storage_bits
from gemel.semantics.ir import Alloc, Buffer, Expr, For, If, Kernel, Let, Load, LoopKind, Reduce, Ref, Var, While
from gemel.semantics.schedule.names import nest
from gemel.semantics.schedule.schedule import Scheduled
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import Body, loaded, statements, stored, subexprs

MOST = 32
"""Products of a sum that is written out."""

ROWS = 8
"""Rows that are computed together at most."""


@dataclass(frozen=True)
class Filter:
    """A nest that sums a few products for each element of a plane: loops by name, `around` the planes."""

    result: Buffer
    around: tuple[str, ...]
    row: str | None
    rows: int
    column: str
    summed: tuple[str, ...]


def filter_of(top: For) -> Filter | None:
    """What a perfect nest filters; None where it is something else."""
    chain = nest(top)
    body, sizes = chain[-1].body, {s.var: _trips(s) for s in chain}
    if len(body) != 1 or not isinstance(body[0], Reduce) or body[0].op is not ops.ADD or None in sizes.values():
        return None
    reduce, known = body[0], {v: n or 0 for v, n in sizes.items()}
    column, *others = reversed([_alone(i) for i in reduce.indices] or [None])
    kept = {v for i in reduce.indices for v in variables(i)}
    summed = [s.var for s in chain if s.var not in kept]
    if column is None or not summed or prod(known[v] for v in summed) > MOST or not _in_lanes(reduce, column):
        return None
    row = next((v for v in others if v is not None and _moves(reduce, v, summed)), None)
    around = tuple(s.var.hint for s in chain if s.var in kept and s.var not in (row, column))
    named = row.hint if row is not None else None
    rows = known[row] if row is not None else 1
    return Filter(reduce.buffer, around, named, rows, column.hint, tuple(v.hint for v in summed))


def _trips(s: For) -> int | None:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return hi if lo == 0 and step == 1 and s.until is None and s.kind is LoopKind.SERIAL else None


def _alone(e: Expr) -> Var | None:
    return e.var if isinstance(e, Ref) else None


def _in_lanes(r: Reduce, column: Var) -> bool:
    """Whether all that a sum loads lies side by side along the columns, or doesn't depend on these."""
    loads = [x for x in subexprs(r.value) if isinstance(x, Load)]
    plain = not any(column in variables(i) for x in loads for i in x.indices[:-1])
    return (
        plain
        and not any(column in variables(i) for i in r.indices[:-1])
        and isinstance(r.buffer.dtype, FloatType)
        and all(_steps(x.indices, column) for x in loads)
    )


def _steps(indices: tuple[Expr, ...], column: Var) -> bool:
    return (
        not indices
        or column not in variables(indices[-1])
        or not any(getattr(x, "op", None) not in (None, ops.ADD, ops.SUB, ops.CAST) for x in subexprs(indices[-1]))
    )


def _moves(r: Reduce, row: Var, summed: list[Var]) -> bool:
    """Whether neighbouring rows load the same elements: a place moves with the row as with a loop of the sum."""
    loads = [x for x in subexprs(r.value) if isinstance(x, Load)]
    return any(row in variables(i) and variables(i) & set(summed) for x in loads for i in x.indices)


def schedule(start: Scheduled, f: Filter, host: Host) -> Scheduled:
    """The steps for a filter.

    Raises ScheduleError where one can't be taken.
    """
    j, y, s = f.column, f.result.hint, start
    lanes = host.vector_bits // storage_bits(f.result.dtype)
    s = s.step("split", j, lanes, f"{j}_t", f"{j}_l")
    outer, inner = [*f.around], [f"{j}_l"]
    if f.row is not None:
        rows = choose(f"{f.row}.rows", max(n for n in range(1, ROWS + 1) if f.rows % n == 0), range(1, ROWS + 1))
        s = s.step("split", f.row, rows, f"{f.row}_t", f"{f.row}_r")
        outer, inner = [*outer, f"{f.row}_t"], [f"{f.row}_r", *inner]
    s = s.step("reorder", *outer, f"{j}_t", *f.summed, *inner).step("vectorize", f"{j}_l")
    s = s.step("unroll", *f.summed, *inner[:-1]).step("accumulate", y, f"{j}_t", *inner, name=f"{y}_tile")
    s = s.attempt("absorb", y, f"{j}_t")
    s = s.attempt("unguard", f"{j}_t")
    return (s.step("contract", f"{j}_t") if host.fma else s).step("simplify")


# ---------------------------------------------------------------------------------------------------------------- near


def near(start: Scheduled, host: Host) -> Scheduled:
    """Nests over the same planes as one loop, and arrays that hold one plane at a time."""
    s, refused = start, set[tuple[str, str]]()
    while True:
        pair = next((p for p in _neighbours(s.kernel, host) if p not in refused), None)
        if pair is None:
            return _shrunk(s)
        made = s.attempt("fuse", *pair)
        if made is s or not whether(f"{'+'.join(pair)}.near"):
            refused.add(pair)
        else:
            s = made


def _neighbours(kernel: Kernel, host: Host) -> Iterator[tuple[str, str]]:
    """Loops one after the other, the first of which fills what is used later and doesn't stay in the first cache."""
    own = [s for s in kernel.body if isinstance(s, For)]
    made = {s.buffer for s in kernel.body if isinstance(s, Alloc) and not s.filled} | {*kernel.results}
    for a, b in pairwise(own):
        used = loaded((b,)) | stored((b,))
        passed = [x for x in stored((a,)) & used & made if _bytes(x) > host.l1_bytes]
        if passed and _fills(a) and (_fills(b) or _in_vectors(b)) and _trips(a) is not None and _trips(a) == _trips(b):
            yield a.var.hint, b.var.hint


def _fills(s: For) -> bool:
    """Whether a loop over planes only stores to their elements."""
    every = list(statements(s.body))
    return any(isinstance(x, For) for x in s.body) and not any(isinstance(x, Reduce | While | If | Let) for x in every)


def _in_vectors(s: For) -> bool:
    """Whether a loop has been scheduled: what is written for all rows at once would suffer."""
    return any(isinstance(x, For) and x.kind is LoopKind.VECTOR for x in statements(s.body))


def _bytes(b: Buffer) -> int:
    return prod(known_shape(b) or (0,)) * element_bytes(b.dtype)


def _shrunk(s: Scheduled) -> Scheduled:
    for name, buffer in list(_inner(s.kernel.body)):
        made = s.attempt("localize", buffer, name)
        s = made if made is not s and whether(f"{buffer}.local") else s
    return s


def _inner(body: Body) -> Iterator[tuple[str, str]]:
    """Outermost loops, with the arrays made beside them that they alone store to and load."""
    made = [s.buffer for s in body if isinstance(s, Alloc) and not s.filled and s.buffer.rank > 1]
    for s in body:
        if isinstance(s, For):
            yield from ((s.var.hint, b.hint) for b in made if b in stored((s,)) and isinstance(b, Buffer))
