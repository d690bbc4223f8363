"""The default schedule of element-wise loops: loops in a row that pass elements on become one, what is costly is
computed once, and elementary functions run in vector lanes.

Loops without elementary functions stay as they are: LLVM vectorises these itself without changing a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gemel.codegen.host import Host
from gemel.codegen.places import known_bytes
from gemel.codegen.rules.choices import choose, whether
from gemel.codegen.rules.rows import fused
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType, storage_bits
from gemel.semantics.ir import Apply, Expr, For, If, Let, LoopKind, Reduce, Stmt, Store
from gemel.semantics.schedule.names import loops, nest
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.traverse import Body, blocks_of, exprs_of, loaded, statements, stored, subexprs

REGISTERS, LONG = 2, 8
"""Registers that long loops fill at a time, and how many a long one fills: what waits for one goes on with another."""

SHORTEST = 4
"""Iterations below which a loop is not worth lanes."""


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps for the element-wise loops of a kernel."""
    s = _fused(start)
    made = s.attempt("common")
    s = made if made is not s and whether("common") else s
    for name in [p.loop.var.hint for p in loops(s.kernel.body) if _profits(p.loop)]:
        made = attempt(s, _in_lanes, name, host)
        s = made if made is not s and whether(f"{name}.lanes") else s
    return s


# -------------------------------------------------------------------------------------------------------------- fusion


def _fused(s: Scheduled) -> Scheduled:
    """Nests of one shape that pass elements on, one after the other, as one."""
    refused: set[tuple[str, str]] = set()
    while True:
        pair = next((p for p in _neighbours(s.kernel.body) if p not in refused), None)
        if pair is None:
            return s
        made = attempt(s, _joined, *pair)
        if made is s or not whether(f"{pair[0]}+{pair[1]}.fuse"):
            refused.add(pair)
        else:
            s = made


def _neighbours(body: Body) -> Iterator[tuple[str, str]]:
    """The first loops of neighbouring nests that may become one."""
    own = [s for s in body if isinstance(s, For)]
    for a, b in pairwise(own):
        if _flat(a) and _flat(b) and _shape(a) == _shape(b) and _passes_on(a, b):
            yield a.var.hint, b.var.hint
    for s in body:
        for block in blocks_of(s):
            yield from _neighbours(block)


def _flat(s: For) -> bool:
    """Whether a loop begins a perfect nest around stores."""
    return all(isinstance(x, Let | Store) for x in nest(s)[-1].body)


def _shape(s: For) -> tuple[object, ...]:
    every = nest(s)
    bounds = tuple(value_of(e, {}) for x in every for e in (x.lo, x.hi, x.step))
    kinds = tuple(x.kind for x in every)
    return (bounds, kinds) if None not in bounds else (id(s),)


def _passes_on(a: For, b: For) -> bool:
    return bool(stored((a,)) & loaded((b,)))


def _joined(s: Scheduled, a: str, b: str) -> Scheduled:
    """All loops of two nests fused, outermost first."""
    known = {p.loop.var.hint: p.loop for p in loops(s.kernel.body)}
    for x, y in zip(nest(known[a]), nest(known[b]), strict=True):
        s = fused(s, x.var.hint, y.var.hint)
    return s


# --------------------------------------------------------------------------------------------------------------- lanes


def _profits(s: For) -> bool:
    """Whether an innermost loop computes elementary functions of floats, each iteration an element."""
    inner = list(statements(s.body))
    plain = s.kind is LoopKind.SERIAL and s.until is None and value_of(s.step, {}) == 1
    if not plain or not all(isinstance(x, Let | Store | Reduce | If) for x in inner) or _short(s):
        return False
    return any(_elementary(e) for x in inner for e in exprs_of(x))


def _short(s: For) -> bool:
    lo, hi = value_of(s.lo, {}), value_of(s.hi, {})
    return lo is not None and hi is not None and hi - lo < SHORTEST


def _elementary(e: Expr) -> bool:
    return any(isinstance(x, Apply) and x.op in ops.ELEMENTARY for x in subexprs(e))


def _in_lanes(s: Scheduled, name: str, host: Host) -> Scheduled:
    loop = next(p.loop for p in loops(s.kernel.body) if p.loop.var.hint == name)
    lanes = host.vector_bits // _widest(loop.body)
    count = value_of(loop.hi, {}) or 0
    registers = choose(f"{name}.registers", REGISTERS if count >= LONG * lanes else 1, (1, 2, 4))
    tile, lane = f"{name}_t", f"{name}_l"
    s = s.step("split", name, lanes * registers, tile, lane).step("vectorize", lane)
    for b in _large(loop.body, host):
        s = s.attempt("stream", b, tile)
    return s


def _large(body: Body, host: Host) -> list[str]:
    """The buffers that a block stores to and that don't fit in the last cache."""
    return sorted(b.hint for b in stored(body) if known_bytes(b) > host.l3_bytes)


def _widest(body: tuple[Stmt, ...]) -> int:
    """The bits of the widest float that a block computes."""
    types = {x.dtype for s in statements(body) for e in exprs_of(s) for x in subexprs(e)}
    return max((storage_bits(t) for t in types if isinstance(t, FloatType)), default=32)
