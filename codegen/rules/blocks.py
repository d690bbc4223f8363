"""The default schedule of a chain of nests over the same rows that ends in a product: attention is one.

A product makes rows, loops along the rows reduce and change them, another product takes what they have become. All of
them run for a block of rows at a time, so that what one makes for the next stays in the cache, and no more of it is
ever stored. A block's rows lie across the vector lanes: reductions along a row need no lane of another row, and the
second product finds its left factor as it would pack it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gemel.codegen.host import Host
from gemel.codegen.rules import contraction
from gemel.codegen.rules.choices import choose
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import storage_bits
from gemel.semantics.ir import Alloc, Apply, Buffer, Const, Expr, For, If, Reduce, Ref, Stmt, Store
from gemel.semantics.schedule.names import block_of, ending, loops, nest, refuse
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import uses, variables
from gemel.semantics.traverse import Body, exprs_of, loaded, statements, stored, subexprs

ROWS = 64
"""Rows of a block: its scores for a thousand keys are a quarter of a megabyte."""

COSTLY = (*ops.ELEMENTARY, ops.DIV)


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps for the chains of a kernel."""
    s = start
    for name in _by_row(s):
        s = attempt(s, _opened, name, host)
    for name in _ends(s):
        s = attempt(s, _chained, name, host)
    return s


def _by_row(s: Scheduled) -> list[str]:
    """The loops that compute one row in each iteration, from a product to another one."""
    return [p.loop.var.hint for p in loops(s.kernel.body) if any(map(_mixes, p.loop.body)) and _makes(p.loop)]


def _makes(loop: For) -> bool:
    return any(isinstance(x, Alloc) and x.buffer.rank for x in loop.body)


def _mixes(s: Stmt) -> bool:
    """Whether a loop's iterations each sum products of which a factor is costly."""
    inner = ending(s.body) if isinstance(s, For) else None
    return isinstance(inner, For) and len(inner.body) == 1 and _costly(inner.body[0]) is not None


def _opened(s: Scheduled, row: str, host: Host) -> Scheduled:
    """A loop over rows as a chain of nests, and that chain's schedule."""
    s = s.step("expand", row).step("distribute", row)
    for top in [x for x in _block(s, row) if isinstance(x, For)]:
        inner = next((x for x in top.body[:1] if isinstance(x, For)), top)
        if len(inner.body) == 2 and isinstance(inner.body[0], Store) and inner is not top:
            s = s.step("fission", _name(inner.body[1]), top.var.hint)
    ends = [x.var.hint for x in _block(s, row) if isinstance(x, For) and _factor(x) is not None]
    if not ends:
        raise refuse(f"no product at the end of {row}", _top(s, row).span)
    for end in ends:
        s = _chained(s, end, host)
    return s


def _name(s: Stmt) -> str:
    return s.var.hint if isinstance(s, For) else ""


def _ends(s: Scheduled) -> list[str]:
    """The nests that sum products of which a factor is costly to compute, by their outermost loops."""
    tops = {nest(p.loop)[0].var.hint: p.loop for p in loops(s.kernel.body) if _factor(p.loop) is not None}
    inner = {x.var.hint for top in tops.values() for x in nest(top)[1:]}
    return [name for name in tops if name not in inner]


def _factor(top: For) -> Expr | None:
    """The costly factor of a nest's product, which it computes again for each column."""
    chain = nest(top)
    factor = _costly(chain[-1].body[0]) if len(chain) > 2 and chain[-1].body else None
    return factor if factor is not None and len(variables(factor) & {x.var for x in chain}) == 2 else None


def _costly(s: Stmt) -> Expr | None:
    """The costly factor of a product that is summed."""
    if not isinstance(s, Reduce) or s.op is not ops.ADD or not isinstance(s.value, Apply):
        return None
    factors = s.value.args if s.value.op is ops.MUL else ()
    costly = [e for e in factors if any(isinstance(x, Apply) and x.op in COSTLY for x in subexprs(e))]
    return costly[0] if len(costly) == 1 else None


# --------------------------------------------------------------------------------------------------------------- chains


@dataclass(frozen=True)
class Chain:
    """The nests of a chain, by their outermost loops; the arrays that one leaves for the next; sizes of blocks."""

    members: tuple[str, ...]
    across: tuple[str, ...]
    kept: tuple[str, ...]
    rows: int
    lanes: int


def _chained(s: Scheduled, end: str, host: Host) -> Scheduled:
    """A chain's schedule.

    Raises ScheduleError where its nests can't run for a block of rows at a time.
    """
    s = _held(s, end)
    s = _squared(_plain(s, end), end)
    c = _chain(s, end, host)
    for b in c.across:
        s = s.step("layout", b, 1, 0)
    s = _reused(s, c.across)
    for name in c.members:
        s = _blocked(s, name, c, host)
    for name in c.members[1:]:
        s = s.step("fuse", f"{c.members[0]}_b", f"{name}_b")
    for b in (b for b in c.kept if b in _arrays(s)):
        s = s.step("localize", b, f"{c.members[0]}_b")
    return s.attempt("pad", f"{c.members[0]}_b").step("simplify")


def _top(s: Scheduled, name: str) -> For:
    return next(p.loop for p in loops(s.kernel.body) if p.loop.var.hint == name)


def _block(s: Scheduled, name: str) -> Body:
    return block_of(s.kernel.body, _top(s, name))


def _before(s: Scheduled, name: str) -> list[For]:
    """The nests before one in its block."""
    top = _top(s, name)
    block = block_of(s.kernel.body, top)
    return [x for x in block[: next(n for n, x in enumerate(block) if x is top)] if isinstance(x, For)]


def _held(s: Scheduled, end: str) -> Scheduled:
    """Elementary functions that an earlier nest computes too are computed once, and so is what the product takes."""
    for top in _before(s, end):
        order = _elementary(top)
        if order:
            s = attempt(s, _shared, top.var.hint, order, end)
    factor, chain = _factor(_top(s, end)), nest(_top(s, end))
    if factor is None:
        return s
    own = [x.var.hint for x in chain if x.var in variables(factor)]
    return s.step("hold", end, *own)


def _elementary(top: For) -> tuple[str, ...]:
    """The loops of which a nest computes an elementary function."""
    found = (x for t in statements((top,)) for e in exprs_of(t) for x in subexprs(e))
    costly = [x for x in found if isinstance(x, Apply) and x.op in ops.ELEMENTARY]
    own = {v for x in costly for v in variables(x)}
    return tuple(p.loop.var.hint for p in loops((top,)) if p.loop.var in own)


def _shared(s: Scheduled, top: str, order: tuple[str, ...], end: str) -> Scheduled:
    known = _arrays(s)
    s = s.step("hold", top, *order)
    new = next(b for b in _arrays(s) if b not in known)
    return s.step("recall", new, end)


def _arrays(s: Scheduled) -> list[str]:
    return [x.buffer.hint for x in statements(s.kernel.body) if isinstance(x, Alloc)]


def _plain(s: Scheduled, end: str) -> Scheduled:
    """Nests that begin a row with a store and then reduce along it, as two nests."""
    for top in _before(s, end):
        inner = [x for x in top.body if isinstance(x, For)]
        if len(inner) == 1 and len(top.body) > 1 and top.body[-1] is inner[0]:
            s = s.step("fission", inner[0].var.hint, top.var.hint)
    return s


def _squared(s: Scheduled, end: str) -> Scheduled:
    """Loops that end elsewhere for each row run to the furthest end, under a condition."""
    for name in [p.loop.var.hint for p in loops(_block(s, end)) if value_of(p.loop.hi, {}) is None]:
        s = s.step("square", name)
    return s


def _chain(s: Scheduled, end: str, host: Host) -> Chain:
    """The nests from the product that makes rows to the one that takes them, and a copy after it.

    Raises ScheduleError where there is no such chain.
    """
    top = _top(s, end)
    block = block_of(s.kernel.body, top)
    nests = [x for x in block if isinstance(x, For)]
    last = next(n for n, x in enumerate(nests) if x is top)
    first = next((n for n, x in enumerate(nests[:last]) if _product(x) is not None), None)
    if first is None:
        raise refuse(f"no product before {end}", top.span)
    result = stored((top,))
    last += last + 1 < len(nests) and bool(loaded((nests[last + 1],)) & result)
    members = [x for x in nests[first : last + 1] if not _fills(x)]
    own = [x.buffer for x in block if isinstance(x, Alloc) and any(True for _ in uses(tuple(members), x.buffer))]
    across = [b for b in own if b.rank == 2 and b not in result]
    lanes = host.vector_bits // max([32, *(storage_bits(b.dtype) for b in own)])
    rows = _rows(top, across, lanes, host)
    names = tuple(x.var.hint for x in members)
    return Chain(names, tuple(b.hint for b in across), tuple(b.hint for b in own), rows, lanes)


def _fills(s: For) -> bool:
    """Whether a nest sets an array to a number, which the accumulators of a product then begin with."""
    chain = nest(s)
    inner = chain[-1].body
    return len(chain) > 1 and len(inner) == 1 and isinstance(inner[0], Store) and isinstance(inner[0].value, Const)


def _rows(top: For, across: list[Buffer], lanes: int, host: Host) -> int:
    """How many rows a block has: what it keeps of them takes half of the second cache at most."""
    count = value_of(top.hi, {}) or 0
    width = max((value_of(n, {}) or 1 for b in across for n in b.shape), default=1)
    fitting = host.l2_bytes // 2 // (4 * width) // lanes * lanes
    most = min(ROWS, max(fitting, lanes), -(-count // 2 // lanes) * lanes)
    if count <= most:
        raise refuse(f"{top.var.hint} has too few iterations for blocks", top.span)
    return choose(f"{top.var.hint}.rows_of_block", most, range(lanes, 4 * ROWS + 1, lanes))


# --------------------------------------------------------------------------------------------------------------- steps


def _reused(s: Scheduled, arrays: tuple[str, ...]) -> Scheduled:
    """Each array in the memory of an earlier one that is read no more, where that may be."""
    free: list[str] = []
    for b in arrays:
        for old in free:
            made = s.attempt("reuse", b, old)
            if made is not s:
                s = made
                break
        else:
            free.append(b)
    return s


def _blocked(s: Scheduled, name: str, c: Chain, host: Host) -> Scheduled:
    """One nest of a chain, its outermost loop the one over blocks."""
    top = _top(s, name)
    what = _product(top)
    if what is not None:
        whole = replace(what, guarded=False)  # what lies beyond a triangle is cut off later, for the whole block
        s = contraction.schedule(s, whole, host, _tiles(what, name, c, host))
        for loop in (f"{what.row}_p", *what.summed):
            s = _trimmed(s, loop)
        return s
    return _across(s, top, c) if _last(top) else _along(s, top, c)


def _product(top: For) -> contraction.Contraction | None:
    """A nest that sums products, with columns along the last axis of the result."""
    one = next(iter(nest(top)[-1].body), None)
    one = next(iter(one.then), None) if isinstance(one, If) else one
    names = {v.hint for v in variables(one.indices[-1])} if isinstance(one, Reduce) and one.indices else set()
    return next((c for c in contraction.contractions(top) if c.column in names), None)


def _tiles(what: contraction.Contraction, name: str, c: Chain, host: Host) -> contraction.Tiles:
    """Tiles of which some make up a block of rows."""
    rows, vectors = (4, 4) if host.vector_registers >= 32 else (4, 2)
    m, n = what.sizes[what.row], what.sizes[what.column]
    vectors = min(vectors, c.rows // c.lanes if what.column == name else -(-n // c.lanes))
    rows = choose(f"{what.row}.rows", rows, (1, 2, 4, 8))
    vectors = choose(f"{what.row}.vectors", vectors, (1, 2, 4))
    if c.rows % (rows if what.row == name else vectors * c.lanes):
        raise refuse(f"{c.rows} rows aren't whole tiles", what.left.load.span)
    row_tiles, column_tiles = -(-m // rows), -(-n // (vectors * c.lanes))
    if what.row == name:
        return contraction.Tiles(
            c.lanes, rows, vectors, 0, c.rows // rows, column_tiles, False, n % (vectors * c.lanes) != 0
        )
    return contraction.Tiles(c.lanes, rows, vectors, 0, row_tiles, c.rows // (vectors * c.lanes), m % rows != 0, True)


def _last(top: For) -> bool:
    """Whether the last axis of what a nest stores is that of the rows."""
    places = [t.indices for t in statements((top,)) if isinstance(t, Store | Reduce)]
    return all(p and isinstance(p[-1], Ref) and p[-1].var is top.var for p in places)


def _across(s: Scheduled, top: For, c: Chain) -> Scheduled:
    """Rows across the vector lanes."""
    row, inner = top.var.hint, [x.var.hint for x in nest(top)[1:]]
    s = s.step("split", row, c.rows, f"{row}_b", f"{row}_w").step("split", f"{row}_w", c.lanes, f"{row}_v", f"{row}_l")
    if inner:
        s = s.step("reorder", f"{row}_b", *inner, f"{row}_v", f"{row}_l")
    s = s.step("vectorize", f"{row}_l").step("unroll", f"{row}_v")
    for loop in inner:
        s = _trimmed(s, loop)
    return s


def _trimmed(s: Scheduled, loop: str) -> Scheduled:
    """A loop without iterations in which nothing is done, and without conditions where all is done."""
    s = s.attempt("tighten", loop)
    made = s.attempt("clear", loop)
    return s if any(isinstance(x, Alloc) for x in _body(s, loop)) else made


def _body(s: Scheduled, loop: str) -> Body:
    return next((p.loop.body for p in loops(s.kernel.body) if p.loop.var.hint == loop), ())


def _along(s: Scheduled, top: For, c: Chain) -> Scheduled:
    """Rows one after the other, each along the vector lanes."""
    row, *_, last = (x.var.hint for x in (top, *nest(top)))
    s = s.step("split", row, c.rows, f"{row}_b", f"{row}_r", tail="bound")
    s = s.step("split", last, c.lanes, f"{last}_v", f"{last}_l")
    return s.step("vectorize", f"{last}_l")
