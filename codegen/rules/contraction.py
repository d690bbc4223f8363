"""The default schedule of contractions: matrix products, batched ones, convolutions, any nest that sums products.

A register tile of `rows` times `vectors` accumulators stays in registers while the reduction runs over packed operands;
blocks of the operands stay in the caches (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication";
Van Zee and van de Geijn, "BLIS"). The steps are those that a user has; `Schedule` prints them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from gemel.codegen.dots import BRIEF, BYTES
from gemel.codegen.host import Host
from gemel.codegen.rules.choices import choose, steps_to, whether
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BF16, F32, FloatType, Int, IntType, UInt, storage_bits
from gemel.semantics.ir import Apply, Buffer, Expr, For, If, Load, LoopKind, Reduce, Var
from gemel.semantics.schedule.names import nest
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.schedule.windows import bare, variables
from gemel.semantics.traverse import subexprs

PACKED = 2
"""Half cycles for an element that is copied alone."""

TURNED, SCATTERED = 8, 40
"""Half cycles for a vector whose elements are stored to one place each: in whole tiles that are turned, or else."""

FAR = 4.5
"""Half cycles for a vector that comes from the second cache."""

SMALLEST = 512
"""Multiply-adds below which a nest stays as it is."""

DEPTHS = (64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Products of an element's block, to choose from."""


@dataclass(frozen=True)
class Operand:
    """A factor of the product: what it loads, and the loops that its place depends on."""

    buffer: Buffer
    load: Load
    loops: tuple[str, ...]
    plain: bool
    """Whether the factor is the element itself, or it in a wider type."""

    @property
    def constant(self) -> bool:
        """Whether it is a table: packing it takes no time."""
        return self.buffer.data is not None

    @property
    def packs(self) -> bool:
        """Whether packing pays at any size: where it takes no time, or elements are computed while packed."""
        return self.constant or not (self.plain or isinstance(self.load.dtype, IntType))


@dataclass(frozen=True)
class Contraction:
    """A nest that accumulates products; sizes by loop name.

    `row` is the loop of which only `left`'s place depends, `column` that of `right` alone; `summed` are the loops that
    the result doesn't depend on, `outer` the remaining ones.
    """

    sizes: dict[str, int]
    result: Buffer
    left: Operand
    right: Operand
    row: str
    column: str
    summed: tuple[str, ...]
    outer: tuple[str, ...]
    place: tuple[Expr, ...]
    bits: int
    guarded: bool = False
    """Whether a condition keeps out a part of the products, as in triangular nests."""

    @property
    def left_pack(self) -> str:
        """The name of the packed left operand, which may be of the same array as the right one."""
        name = self.left.buffer.hint
        return f"{name}_{self.row}_pack" if self.left.buffer is self.right.buffer else f"{name}_pack"

    @property
    def right_pack(self) -> str:
        """The name of the packed right operand."""
        return f"{self.right.buffer.hint}_pack"

    @property
    def depth(self) -> int:
        """Products that one element sums."""
        total = 1
        for name in self.summed:
            total *= self.sizes[name]
        return total


@dataclass(frozen=True)
class Tiles:
    """The register tile, how many tiles a block has, and how many products an element's block (0: all of them).

    `group` is how many products one instruction sums.
    """

    lanes: int
    rows: int
    vectors: int
    depth: int
    row_tiles: int
    column_tiles: int
    pack_left: bool
    pack_right: bool
    group: int = 1
    near: int = 1 << 62
    """Bytes of a left operand that stay in the second cache beside a panel of the right one."""

    @property
    def columns(self) -> int:
        """Elements of a tile's row."""
        return self.lanes * self.vectors


def contraction(top: For, host: Host) -> Contraction | None:
    """What a perfect nest contracts, in the roles in which the host is fastest; None where it is something else."""
    some = sorted(contractions(top), key=lambda c: _expected(c, host))
    if not some:
        return None
    c = some[choose(f"{top.var.hint}.roles", 0, range(len(some)))]
    last = choose(f"{c.row}.innermost", len(c.summed) - 1, range(len(c.summed)))
    return replace(c, summed=(*c.summed[:last], *c.summed[last + 1 :], c.summed[last]))


def contractions(top: For) -> list[Contraction]:
    """What a perfect nest contracts, in all roles that its loops may have."""
    chain = nest(top)
    last, guarded = chain[-1].body, False
    if len(last) == 1 and isinstance(last[0], If) and not last[0].orelse:
        last, guarded = last[0].then, True
    if len(last) != 1 or not isinstance(last[0], Reduce) or last[0].op is not ops.ADD:
        return []
    reduce, sizes = last[0], _sizes(chain)
    product = _uncast(reduce.value)
    if sizes is None or not isinstance(product, Apply) or product.op is not ops.MUL:
        return []
    a, b = (_operand(e, chain, reduce.buffer) for e in product.args)
    if a is None or b is None or not isinstance(reduce.buffer.dtype, FloatType | IntType):
        return []
    found = [_roles(chain, sizes, reduce, *both, s.var) for both in ((a, b), (b, a)) for s in reversed(chain)]
    return [replace(c, guarded=guarded) for c in found if c is not None]


def _sizes(chain: list[For]) -> dict[str, int] | None:
    sizes = {}
    for s in chain:
        lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
        if lo != 0 or hi is None or hi < 1 or step != 1 or s.until is not None or s.kind is not LoopKind.SERIAL:
            return None
        sizes[s.var.hint] = hi
    return sizes


def _uncast(e: Expr) -> Expr:
    while isinstance(e, Apply) and e.op is ops.CAST and _integers(e):
        e = e.args[0]
    return e


def _integers(e: Apply) -> bool:
    return isinstance(e.dtype, IntType) and isinstance(e.args[0].dtype, IntType)


def _operand(e: Expr, chain: list[For], result: Buffer) -> Operand | None:
    loads = [x for x in subexprs(e) if isinstance(x, Load)]
    if len(loads) != 1 or loads[0].buffer is result or not loads[0].buffer.rank:
        return None
    own = variables(e)
    wider = isinstance(e, Apply) and e.op is ops.CAST and isinstance(e.dtype, FloatType)
    plain = (e.args[0] if isinstance(e, Apply) and wider else bare(e)) is loads[0]
    return Operand(loads[0].buffer, loads[0], tuple(s.var.hint for s in chain if s.var in own), plain)


def _roles(
    chain: list[For], sizes: dict[str, int], reduce: Reduce, left: Operand, right: Operand, across: Var
) -> Contraction | None:
    """The contraction with a given loop along the columns; None where the loop can't have that role."""
    kept = {v for i in reduce.indices for v in variables(i)}
    names, column = [s.var.hint for s in chain], across.hint
    summed = tuple(s.var.hint for s in chain if s.var not in kept)
    rows = [n for n in names if n in left.loops and n not in right.loops and n not in summed]
    if across not in kept or column not in right.loops or column in left.loops or not rows or not summed:
        return None
    row = max(rows, key=lambda n: (sizes[n], names.index(n)))  # the last: its elements are the likeliest neighbours
    outer = tuple(n for n in names if n not in (row, column) and n not in summed)
    bits = max(storage_bits(reduce.buffer.dtype), 32)
    return Contraction(sizes, reduce.buffer, left, right, row, column, summed, outer, reduce.indices, bits)


def _expected(c: Contraction, host: Host) -> float:
    """The time of a contraction in half cycles: products, elements packed one by one, vectors stored across rows."""
    lanes, m, n = host.vector_bits // c.bits, c.sizes[c.row], c.sizes[c.column]
    times = prod(c.sizes[name] for name in c.outer)
    rows, vectors = min(_register_tiles(host), key=lambda t: _cost(t[0], t[1], m, n, lanes))
    products = times * c.depth * _cost(rows, vectors, m, n, lanes)
    there = c.right.constant or _in_rows(c.right.load.indices, c.column)
    packing = 0 if there else prod(c.sizes[name] for name in c.right.loops) * PACKED
    whole = m % rows == 0 and n % (vectors * lanes) == 0
    across = TURNED if whole and _in_rows(c.place, c.row) else SCATTERED
    stores = 0 if _in_rows(c.place, c.column) else times * m * -(-n // lanes) * across
    return products + packing + stores


def tiles(c: Contraction, host: Host) -> Tiles:
    """Sizes of tiles and blocks for the host's registers and caches."""
    lanes, m, n, k = host.vector_bits // c.bits, c.sizes[c.row], c.sizes[c.column], c.depth
    group = _group(c, host)
    size = storage_bits(c.right.buffer.dtype) // 8 if group > 1 else c.bits // 8
    rows, vectors = _register_tile(c, host, lanes)
    depth = max(64, max(host.l1_bytes // 2, host.l2_bytes // 8) // (vectors * lanes * size))
    depth = 0 if k <= depth * 3 // 2 else -(-k // -(-k // depth))
    depth = choose(f"{c.row}.depth", depth, (0, *(d for d in DEPTHS if d < k)))
    kc, down, across = depth or k, -(-m // rows), -(-n // (lanes * vectors))
    row_tiles = _even(down, min(host.l2_bytes // (kc * rows * size), -(-down // host.threads)))
    column_tiles = _even(across, host.l3_bytes // 4 // (kc * vectors * lanes * size))
    far = (16 if _in_rows(c.left.load.indices, c.summed[-1]) else 4) * host.l2_bytes
    left = c.left.packs or (across > 1 and m * k * size > far)
    right = (
        c.right.packs
        or not _in_rows(c.right.load.indices, c.column)
        or (down > 1 and k * n * size > host.l2_bytes // 2)
    )
    if group > 1:
        left, right = left or k % group > 0 or _signed(c), True
    return Tiles(
        lanes,
        rows,
        vectors,
        depth,
        choose(f"{c.row}.row_tiles", row_tiles, steps_to(down)),
        choose(f"{c.row}.column_tiles", column_tiles, steps_to(across)),
        left if group > 1 else whether(f"{c.row}.pack_left", left),
        right if group > 1 else whether(f"{c.row}.pack_right", right),
        group,
        host.l2_bytes // 2,
    )


def _group(c: Contraction, host: Host) -> int:
    """How many products of the operands' types the host sums in one instruction."""
    types, result = (c.left.buffer.dtype, c.right.buffer.dtype), c.result.dtype
    if len(c.summed) > 1 or not (c.left.plain and c.right.plain):
        return 1
    if all(t in (Int(8), UInt(8)) for t in types) and result == Int(32):
        return 4 if BYTES in host.dots and types != (UInt(8), UInt(8)) else 1
    return 2 if types == (BF16, BF16) and result == F32 and BRIEF in host.dots else 1


def _signed(c: Contraction) -> bool:
    """Whether both operands are signed bytes."""
    return c.left.buffer.dtype == c.right.buffer.dtype == Int(8)


def _even(count: int, most: int) -> int:
    """A block's size for so many tiles in blocks of about the same size, each of about `most`."""
    return -(-count // max(1, round(count / max(1, most))))


def _register_tile(c: Contraction, host: Host, lanes: int) -> tuple[int, int]:
    """Rows and vectors that registers hold, with a row of the right operand and an element of the left."""
    most = {v: (host.vector_registers - v - 1) // v for v in range(1, 5)}
    m, n = c.sizes[c.row], c.sizes[c.column]
    rows, vectors = min(_register_tiles(host), key=lambda t: _cost(t[0], t[1], m, n, lanes))
    vectors = choose(f"{c.row}.vectors", vectors, most)
    return choose(f"{c.row}.rows", min(rows, most[vectors]), range(1, most[vectors] + 1)), vectors


def _register_tiles(host: Host) -> list[tuple[int, int]]:
    """The tiles that registers hold."""
    return [(r, v) for v in range(1, 5) for r in range(1, min((host.vector_registers - v - 1) // v, 30) + 1)]


def _in_rows(indices: tuple[Expr, ...], loop: str) -> bool:
    """Whether the elements of a place along a loop lie side by side."""
    *others, last = ({v.hint for v in variables(i)} for i in indices)
    return loop in last and not any(loop in names for names in others)


def _cost(rows: int, vectors: int, m: int, n: int, lanes: int) -> float:
    """Time of one product for the whole tile grid: multiply-adds, or loads where these take longer.

    Vectors come from the second cache. Loads have a part in it even so: they get in each other's way in the caches.
    """
    count = -(-m // rows) * -(-n // (vectors * lanes))
    return count * (max(rows * vectors, rows + vectors, 10, FAR * vectors) + 0.2 * (rows + vectors))


def schedule(start: Scheduled, c: Contraction, host: Host, own: Tiles | None = None) -> Scheduled:
    """The steps for a contraction; `own` are tiles other than the model's.

    Raises ScheduleError where one can't be taken.
    """
    t, s = own or tiles(c, host), start
    s, d, q = _grouped(s, c, t)
    i, j = c.row, c.column
    s = s.step("split", i, t.rows, f"{i}_t", f"{i}_r")
    s = s.step("split", j, t.columns, f"{j}_t", f"{j}_w").step("split", f"{j}_w", t.lanes, f"{j}_v", f"{j}_l")
    s = s.step("split", f"{i}_t", t.row_tiles, f"{i}_b", f"{i}_p", tail="bound")
    s = s.step("split", f"{j}_t", t.column_tiles, f"{j}_b", f"{j}_p", tail="bound")
    s, blocks, k = _deep(s, d, t)
    tile = (f"{i}_r", f"{j}_v", f"{j}_l")
    s = s.step("reorder", *_outside(c, t, (f"{j}_b", *blocks)), f"{i}_b", f"{j}_p", f"{i}_p", *k, *tile, *q)
    s = s.step("vectorize", tile[2]).step("unroll", *tile[:2], *q)
    s = _kept_close(s, c, t, (blocks, k, q))
    s = s.step("contract", f"{i}_p") if host.fma and not s.kernel.strict else s
    return s.step("simplify")


def _grouped(s: Scheduled, c: Contraction, t: Tiles) -> tuple[Scheduled, Contraction, tuple[str, ...]]:
    """The products in groups that one instruction sums: the contraction of groups, and the loop over a group."""
    if t.group == 1:
        return s, c, ()
    (k,) = c.summed
    groups, one = f"{k}_g", f"{k}_q"
    sizes = {**c.sizes, groups: -(-c.sizes[k] // t.group)}
    s = s.step("split", k, t.group, groups, one)
    return s, replace(c, sizes=sizes, summed=(groups,)), (one,)


def _outside(c: Contraction, t: Tiles, blocks: tuple[str, ...]) -> tuple[str, ...]:
    """The loops around a block; what is packed once for all iterations of a loop is packed before that."""
    again = tuple(n for n in c.outer if n in c.right.loops or not t.pack_right)
    return (*again, *blocks, *(n for n in c.outer if n not in again))


def _deep(s: Scheduled, c: Contraction, t: Tiles) -> tuple[Scheduled, tuple[str, ...], tuple[str, ...]]:
    """The products in blocks, where an element sums many; gives the block's loops and the others."""
    first, *rest = c.summed
    inner = c.depth // c.sizes[first] * t.group
    if not t.depth or t.depth < 2 * inner:
        return s, (), c.summed
    s = s.step("split", first, max(t.depth // inner, 1), f"{first}_b", f"{first}_p", tail="bound")
    return s, (f"{first}_b",), (f"{first}_p", *rest)


Depth = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""The loops over what is summed: blocks, those of a block, those of a group."""


def _kept_close(s: Scheduled, c: Contraction, t: Tiles, depth: Depth) -> Scheduled:
    """Packs the operands, accumulates in registers, and drops what only kept padding out."""
    i, j, right, result = c.row, c.column, c.right.buffer.hint, c.result.hint
    blocks, k, q = depth
    if t.pack_right:
        at = blocks[-1] if blocks else f"{j}_b"
        s = s.step("stage", right, at, f"{j}_p", *k, f"{j}_v", f"{j}_l", *q, name=c.right_pack)
        if not q and not c.right.constant and _in_rows(c.right.load.indices, c.summed[-1]):
            s = attempt(s, _in_squares, f"{k[-1]}_{c.right_pack}", [f"{j}_{x}_{c.right_pack}" for x in "vl"], t.lanes)
        s = s if q else s.attempt("hoist", c.right_pack, at)
    if t.pack_left:
        s = _packed_left(s, c, t, (*k, *q))
        s = s if q else s.attempt("hoist", c.left_pack, f"{i}_b")
    for loop in (f"{j}_p", f"{i}_p", k[-1]) if c.guarded else ():
        s = s.attempt("trim", loop)
    s = s.step("accumulate", result, f"{i}_p", f"{i}_r", f"{j}_v", f"{j}_l", name=f"{result}_tile")
    s = s.attempt("absorb", result, f"{i}_p")
    s = s.attempt("unguard", f"{i}_p")
    s = s.attempt("peel", k[-1]) if c.guarded else s
    if q:
        s = s.step("dot", *q)
        s = s.step("unsigned", c.left_pack, c.right_pack) if _signed(c) else s
    return _asked_early(s, c, t, bool(blocks))


def _asked_early(s: Scheduled, c: Contraction, t: Tiles, again: bool) -> Scheduled:
    """The next tile's rows on their way while this one is computed: what was far must not be waited for."""
    at, size = f"{c.row}_p", storage_bits(c.left.buffer.dtype) // 8
    early = c.sizes[c.row] * c.depth * size > t.near
    if whether(f"{c.row}.fetch_result", again and early):
        s = s.attempt("prefetch", c.result.hint, at)
    room = 2 * t.rows + t.vectors <= t.rows * t.vectors  # asking is as much work as loading
    if not t.pack_left and whether(f"{c.row}.fetch_left", early and room):
        s = s.attempt("prefetch", c.left.buffer.hint, at)
    return s


def _packed_left(s: Scheduled, c: Contraction, t: Tiles, k: tuple[str, ...]) -> Scheduled:
    """The left operand packed for its row tiles, copied in vectors along the axis that lies side by side."""
    i, left, name = c.row, c.left.buffer.hint, c.left_pack
    if not _in_rows(c.left.load.indices, c.summed[-1]) or c.sizes[c.summed[-1]] < t.lanes * t.group:
        if t.group > 1:
            return s.step("stage", left, f"{i}_b", f"{i}_p", f"{i}_r", *k, name=name)
        s = s.step("stage", left, f"{i}_b", f"{i}_p", *k, f"{i}_r", name=name)
        return s.attempt("vectorize", f"{i}_r_{name}")
    s = s.step("stage", left, f"{i}_b", f"{i}_p", f"{i}_r", *k, name=name)
    return attempt(s, _in_lanes, f"{k[-1 if t.group == 1 else -2]}_{name}", t.lanes)


def _in_squares(s: Scheduled, loop: str, inner: list[str], lanes: int) -> Scheduled:
    """A loop that copies columns, some at a time in each lane: the loads of a square are those of its rows."""
    s = s.step("split", loop, lanes, f"{loop}_v", f"{loop}_u", tail="cut")
    return s.step("reorder", *inner, f"{loop}_u").step("unroll", f"{loop}_u")


def _in_lanes(s: Scheduled, loop: str, lanes: int) -> Scheduled:
    """A loop that copies, in lanes."""
    return s.step("split", loop, lanes, f"{loop}_v", f"{loop}_l", tail="cut").step("vectorize", f"{loop}_l")
