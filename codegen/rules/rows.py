"""The default schedule of rows: loops over the same rows become one, what they share is computed once, float
reductions along a row run in several vector accumulators.

Integer loops and element-wise ones stay as they are: LLVM vectorises these itself without changing a result.
"""

from __future__ import annotations

from itertools import pairwise

from gemel.codegen.hints import unit
from gemel.codegen.host import Host
from gemel.codegen.rules.choices import choose, whether
from gemel.codegen.rules.effort import middle
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType, storage_bits
from gemel.semantics.errors import ScheduleError
from gemel.semantics.ir import Alloc, Buffer, Expr, For, If, Kernel, Load, LoopKind, Reduce, Ref, Store, Var, While
from gemel.semantics.schedule.fusion import least_shift
from gemel.semantics.schedule.names import Found, find, loops
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import variables
from gemel.semantics.traverse import Body, exprs_of, loaded, statements, stored, subexprs

SHORTEST = 32
"""Elements of a row from which on several accumulators pay."""

STREAMS = 4
"""Vectors that are accumulated side by side, so that an addition needn't wait for the one before."""


ROWS = 4
"""Rows that are walked along together where they come from far."""


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps for the rows of a kernel."""
    s = _shared(_fused(_seen(start)))
    for name, buffer in _reductions(s.kernel):
        steps = [_together, _spread] if _streaming(s.kernel, name, host) else [_spread]
        for some in steps:
            made = attempt(s, some, name, buffer, host)
            if made is not s:
                s = made
                break
    return s


def _seen(s: Scheduled) -> Scheduled:
    """Innermost loops that store one element's old value plus something, as sums."""
    for name in [p.loop.var.hint for p in loops(s.kernel.body) if _adds_up(p.loop)]:
        s = s.attempt("sums", name)
    return s


def _adds_up(s: For) -> bool:
    one = s.body[0] if len(s.body) == 1 else None
    return isinstance(one, Store) and bool(one.indices) and not any(s.var in variables(i) for i in one.indices)


# -------------------------------------------------------------------------------------------------------------- fusion


def _fused(s: Scheduled) -> Scheduled:
    """Loops over rows, one after the other, as one, where they have a row's loops in them."""
    while True:
        for a, b in _neighbours(s.kernel.body):
            made = attempt(s, fused, a, b)
            if made is not s and whether(f"{a}+{b}.fuse"):
                s = made
                break
        else:
            return s


def fused(s: Scheduled, a: str, b: str) -> Scheduled:
    """Two loops as one.

    Raises ScheduleError where the second would have to lag: bounds of distances tell that without a solver.
    """
    if least_shift(s.kernel, a, b) != 0:
        raise ScheduleError(f"{b} has to lag behind {a}", code="K02", span=find(s.kernel, b).loop.span)
    return s.step("fuse", a, b)


def _neighbours(body: Body) -> list[tuple[str, str]]:
    """Pairs of loops in a row whose bodies have loops of one level: what they store is used while it is near."""
    rows = [x for x in body if isinstance(x, For) and _is_row(x)]
    return [(a.var.hint, b.var.hint) for a, b in pairwise(rows) if _uses(a, b)]


def _is_row(s: For) -> bool:
    inner = [x for x in s.body if isinstance(x, For)]
    flat = not any(isinstance(x, For | While) for y in inner for x in statements(y.body))
    return bool(inner) and flat and s.kind is LoopKind.SERIAL and not any(isinstance(x, While | If) for x in s.body)


def _uses(a: For, b: For) -> bool:
    return bool((stored((a,)) | loaded((a,))) & loaded((b,)))


# ------------------------------------------------------------------------------------------------------------- sharing


def _shared(s: Scheduled) -> Scheduled:
    for place in list(loops(s.kernel.body)):
        inner = [x for x in place.loop.body if isinstance(x, For)]
        for n, a in enumerate(inner):
            for b in inner[n + 1 :]:
                if _costly(a):
                    made = s.attempt("share", a.var.hint, b.var.hint)
                    s = made if made is not s and whether(f"{a.var.hint}+{b.var.hint}.share") else s
    return s


def _costly(s: For) -> bool:
    """Whether a loop computes an elementary function."""
    found = (x for t in s.body for e in exprs_of(t) for x in subexprs(e))
    return any(getattr(x, "op", None) in ops.ELEMENTARY for x in found)


# ---------------------------------------------------------------------------------------------------------- reductions


def _reductions(kernel: Kernel) -> list[tuple[str, str]]:
    """The innermost loops that accumulate floats into one place, and the buffers of these places."""
    found = []
    for place in loops(kernel.body):
        s = place.loop
        if s.kind is not LoopKind.SERIAL or any(isinstance(x, For | While | If) for x in s.body) or not _long(place):
            continue
        reduces = [x for x in s.body if isinstance(x, Reduce)]
        if len(reduces) == 1 and _accumulates(reduces[0], place):
            found.append((s.var.hint, reduces[0].buffer.hint))
    return found


def _long(place: Found) -> bool:
    s = place.loop
    return value_of(s.step, {}) == 1 and s.until is None and _length(place) >= SHORTEST


def _length(place: Found) -> int:
    """How many iterations a loop has, where that depends on loops around on average."""
    typical: dict[Var, int] = {}
    for s in place.around:
        typical[s.var] = middle(s, typical)
    lo, hi = value_of(place.loop.lo, typical), value_of(place.loop.hi, typical)
    return hi - lo if lo is not None and hi is not None else 0


def _accumulates(r: Reduce, place: Found) -> bool:
    v = place.loop.var
    fixed = not any(v in variables(i) for i in r.indices)
    loads = [x for x in subexprs(r.value) if isinstance(x, Load)]
    straight = all(_straight(x.indices, place.loop) for x in loads)
    return fixed and straight and isinstance(r.buffer.dtype, FloatType) and storage_bits(r.buffer.dtype) >= 32


def _straight(indices: tuple[Expr, ...], s: For) -> bool:
    """Whether a place doesn't move with the loop, or does so along its last axis."""
    moving = [s.var in variables(i) for i in indices]
    return not any(moving[:-1]) and (not moving or not moving[-1] or _by_one(indices[-1], s))


def _by_one(e: Expr, s: For) -> bool:
    return isinstance(e, Ref) or unit(e, s.var)


def _streaming(kernel: Kernel, name: str, host: Host) -> bool:
    """Whether a loop walks along rows that come from beyond the second cache, and nothing else is done with a row."""
    place = find(kernel, name)
    if not place.around:
        return False
    k, i = place.loop, place.around[-1]
    rows, length = value_of(i.hi, {}), value_of(k.hi, {})
    plain = value_of(i.lo, {}) == 0 and value_of(i.step, {}) == 1 and i.kind is LoopKind.SERIAL and i.until is None
    if not plain or not rows or not length or any(s is not k and not isinstance(s, Store) for s in i.body):
        return False
    loads = [x for s in k.body for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Load)]
    walked = [x for x in loads if {i.var, k.var} <= {v for e in x.indices for v in variables(e)}]
    return any(rows * length * storage_bits(x.dtype) // 8 > host.l2_bytes for x in walked) and rows >= 2 * ROWS


def _together(s: Scheduled, name: str, buffer: str, host: Host) -> Scheduled:
    """Some rows at a time: memory is read in as many places, and what the rows share is loaded once."""
    place = find(s.kernel, name)
    k, i = place.loop, place.around[-1]
    lanes, count = host.vector_bits // _bits(s.kernel, buffer), value_of(k.hi, {}) or 0
    width = lanes * choose(f"{name}.streams", 2 if count >= 4 * lanes else 1, (1, 2, 4))
    rows = choose(f"{name}.rows", ROWS, (1, 2, 4, 8))
    t, w, v, x = (f"{name}_{part}" for part in "twvl")
    b, r = f"{i.var.hint}_b", f"{i.var.hint}_r"
    s = s.step("split", i.var.hint, rows, b, r, tail="cut")
    if i.body[0] is not k:
        s = s.step("fission", name, r)
    s = s.step("split", name, width, t, w).step("split", w, lanes, v, x).step("reorder", t, r, v, x)
    s = s.step("spread", buffer, t, r, v, x).step("vectorize", x).step("unroll", r, v)
    return _contracted(s, t, host)


def _spread(s: Scheduled, name: str, buffer: str, host: Host) -> Scheduled:
    place = find(s.kernel, name)
    loop, count = place.loop, _length(place)
    lanes = host.vector_bits // _bits(s.kernel, buffer)
    most = max(1, count // (2 * lanes))
    wanted = STREAMS if _is_quick(loop) else 2 * STREAMS
    even = [n for n in range(2, 2 * STREAMS + 1) if count % (lanes * n) == 0]  # then no last iteration needs a mask
    wanted = min(even, key=lambda n: abs(n - wanted), default=wanted)
    streams = choose(f"{name}.streams", min(wanted, most), range(1, min(2 * STREAMS, most) + 1))
    t, w, v, x = (f"{name}_{part}" for part in "twvl")
    registers = 2 if _costly(loop) and streams % 2 == 0 else 1  # long formulas go side by side
    s = s.step("split", name, lanes * streams, t, w).step("split", w, lanes * registers, v, x)
    s = _contracted(s.step("spread", buffer, t, v, x).step("vectorize", x).step("unroll", v), t, host)
    return s.attempt("peel", t) if value_of(loop.hi, {}) is None else s


def _contracted(s: Scheduled, name: str, host: Host) -> Scheduled:
    """Sums of products round once, where that is one instruction."""
    place = find(s.kernel, name)
    products = any(
        isinstance(x, Reduce) and x.op is ops.ADD and getattr(x.value, "op", None) is ops.MUL
        for x in statements(place.loop.body)
    )
    return s.step("contract", name) if products and host.fma else s


def _is_quick(loop: For) -> bool:
    """Whether accumulating is but an addition: a fused one takes twice as long, a maximum with NaN longer yet."""
    reduces = [s for s in loop.body if isinstance(s, Reduce)]
    return all(s.op is ops.ADD and getattr(s.value, "op", None) is not ops.MUL for s in reduces)


def _bits(kernel: Kernel, name: str) -> int:
    own: list[Buffer] = [b for b in (*kernel.params, *kernel.results) if isinstance(b, Buffer)]
    own += [x.buffer for x in statements(kernel.body) if isinstance(x, Alloc)]
    return next(storage_bits(b.dtype) for b in own if b.hint == name)
