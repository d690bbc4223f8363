"""Vectors whose lanes lie far apart in memory, but side by side with those of other vectors: they are transposed in
registers and stored in rows, which takes a few instructions for what would be a store for each lane.

A tile of registers that is kept with its columns along the lanes is written like this where the array has them along
another axis: the output of a convolution whose channels are the lanes, say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from gemel.codegen import llvmops
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.codegen.vectors import Lanes, lanes_of
from gemel.codegen.widen import NotWide, Widener, suffix, vector
from gemel.semantics import ops
from gemel.semantics.dtypes import INDEX, is_integer
from gemel.semantics.ir import Apply, Buffer, Const, Expr, For, LoopKind, Ref, Store, Var
from gemel.semantics.traverse import Body, loaded

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowering

FEWEST = 4
"""Vectors from which on it pays."""

Flat = tuple[int, dict[Var, int]]
"""A constant plus multiples of variables."""


@dataclass(frozen=True)
class Column:
    """A vector loop that does nothing but store to elements `stride` apart; `place` is that of its first lane."""

    loop: For
    store: Store
    lanes: int
    first: int
    stride: int
    place: Flat


def emit_columns(low: Lowering, body: Body) -> int:
    """Emits the vector loops that a block begins with as rows; gives how many, 0 where it begins with no such."""
    columns = _columns(low, body)
    chains = list(_chains(columns))
    if not chains or any(len(chain) < FEWEST for chain in chains):
        return 0
    out = low.out
    lines, block = len(out.lines), out.block
    try:
        for chain in chains:
            _emit(low, chain)
    except NotWide:
        del out.lines[lines:]
        out.block, out.known = block, {}
        return 0
    low.vectors = True
    return len(columns)


# ----------------------------------------------------------------------------------------------------------- questions


def _columns(low: Lowering, body: Body) -> list[Column]:
    """The loops at the beginning of a block that store to one buffer, in lanes equally far apart."""
    found: list[Column] = []
    for s in body:
        column = _column(low, s) if isinstance(s, For) else None
        if column is None or (found and not _alike(column, found[0])):
            break
        found.append(column)
    buffers = loaded(c.loop for c in found)
    return found if found and found[0].store.buffer not in buffers else []


def _column(low: Lowering, s: For) -> Column | None:
    count = lanes_of(s) if s.kind is LoopKind.VECTOR else None
    if count is None or count & (count - 1) or low.lanes is not None or not low.may_widen or len(s.body) != 1:
        return None
    (store,) = s.body
    if not isinstance(store, Store) or element_bytes(store.buffer.dtype) > 8 or known_shape(store.buffer) is None:
        return None
    first = s.lo.value if isinstance(s.lo, Const) else 0
    lanes = Lanes(low, s.var, int(first), count, Widener(low.out, count))
    stride, place = lanes.stride(store.buffer, store.indices), flat(store.buffer, store.indices)
    if stride is None or stride < 2 or place is None:
        return None
    at = (place[0] + place[1].get(s.var, 0) * int(first), {v: n for v, n in place[1].items() if v is not s.var})
    return Column(s, store, count, int(first), stride, at)


def _alike(a: Column, b: Column) -> bool:
    return (a.store.buffer, a.lanes, a.stride) == (b.store.buffer, b.lanes, b.stride)


def _chains(columns: list[Column]) -> Iterator[list[Column]]:
    """The columns in groups that lie side by side, of at most as many as each has lanes."""
    order = sorted(columns, key=lambda c: (sorted((id(v), n) for v, n in c.place[1].items()), c.place[0]))
    numbered = enumerate(order)
    for _, some in groupby(numbered, key=lambda e: (str(_terms(e[1])), e[1].place[0] - e[0])):
        chain = [c for _, c in some]
        yield from (chain[n : n + c.lanes] for c in chain[:1] for n in range(0, len(chain), c.lanes))


def _terms(c: Column) -> list[tuple[int, int]]:
    return sorted((id(v), n) for v, n in c.place[1].items())


def flat(b: Buffer, indices: tuple[Expr, ...]) -> Flat | None:
    """The position of an element among all of a buffer; None where it is no sum of multiples of variables."""
    total: Flat = (0, {})
    for size, index in zip(known_shape(b) or (), indices, strict=True):
        own = _linear(index)
        if own is None:
            return None
        total = _sum(_scaled(total, size), own)
    return total


def _linear(e: Expr) -> Flat | None:
    match e:
        case Const() if isinstance(e.value, int):
            return int(e.value), {}
        case Ref():
            return 0, {e.var: 1}
        case Apply(op=ops.CAST) if e.dtype == INDEX and is_integer(e.args[0].dtype):
            return _linear(e.args[0])
        case Apply(op=ops.ADD | ops.SUB | ops.MUL):
            a, b = map(_linear, e.args)
            return None if a is None or b is None else _combined(e.op, a, b)
        case _:
            return None


def _combined(op: ops.Op, a: Flat, b: Flat) -> Flat | None:
    if op is not ops.MUL:
        return _sum(a, _scaled(b, 1 if op is ops.ADD else -1))
    if a[1] and b[1]:
        return None
    return _scaled(a, b[0]) if a[1] else _scaled(b, a[0])


def _scaled(a: Flat, k: int) -> Flat:
    return a[0] * k, {v: n * k for v, n in a[1].items()}


def _sum(a: Flat, b: Flat) -> Flat:
    terms = {v: a[1].get(v, 0) + b[1].get(v, 0) for v in (*a[1], *b[1])}
    return a[0] + b[0], {v: n for v, n in terms.items() if n}


# ------------------------------------------------------------------------------------------------------------ emission


def _emit(low: Lowering, chain: list[Column]) -> None:
    """Computes the columns, transposes them and stores the rows."""
    c, out, b = chain[0], low.out, chain[0].store.buffer
    kind, n = llvmops.memory_type(b.dtype), c.lanes
    columns = [_value(low, column, kind) for column in chain]
    rows = _transposed(low, [*columns, *["poison"] * (n - len(chain))], kind)
    low.values[c.loop.var] = str(c.first)
    base = low.places.address(b, low._indices(c.store.indices))
    for lane, row in enumerate(rows):
        address = out.value(f"getelementptr {kind}, ptr {base}, i64 {lane * c.stride}")
        _store(low, row, address, (kind, n, len(chain), alignment(b.dtype)))
    low.places.held.drop(b)


def _value(low: Lowering, c: Column, kind: str) -> str:
    """What a column's lanes store."""
    lanes = low.lanes = Lanes(low, c.loop.var, c.first, c.lanes, Widener(low.out, c.lanes))
    low.values[c.loop.var] = str(c.first)
    low._done = [{}]
    try:
        value = lanes.typed(c.store.value, c.store.buffer.dtype)
        raw = lanes.scalar_text(lambda out: llvmops.to_memory(out, value, c.store.buffer.dtype))
        return lanes.widener.operand(kind, raw)
    finally:
        low.lanes = None


def _transposed(low: Lowering, columns: list[str], kind: str) -> list[str]:
    """A square of elements, by perfect shuffles."""
    n, t = len(columns), vector(len(columns), kind)
    halves = [[x for i in range(h, h + n // 2) for x in (i, n + i)] for h in (0, n // 2)]
    masks = [f"<{n} x i32> <{', '.join(f'i32 {x}' for x in half)}>" for half in halves]
    for _ in range(n.bit_length() - 1):
        pairs = zip(columns[: n // 2], columns[n // 2 :], strict=True)
        columns = [low.out.value(f"shufflevector {t} {a}, {t} {b}, {mask}") for a, b in pairs for mask in masks]
    return columns


def _store(low: Lowering, row: str, address: str, form: tuple[str, int, int, int]) -> None:
    kind, n, count, align = form
    t, m = vector(n, kind), vector(n, "i1")
    if count == n:
        low.out.do(f"store {t} {row}, ptr {address}, align {align}")
        return
    name = f"llvm.masked.store.{suffix(n, kind)}.p0"
    low.out.declarations.add(f"declare void @{name}({t}, ptr, i32, {m})")
    mask = ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(n))
    low.out.do(f"call void @{name}({t} {row}, ptr {address}, i32 {align}, {m} <{mask}>)")
