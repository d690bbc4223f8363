"""Neighbours: accesses of several statements of a vector loop that together take all of a stretch of memory.

Where lane n of the first takes element w * n, that of the next one w * n + 1, and so on for w of them, one load or
store of w vectors serves all, with shuffles between. Where lanes are rows of as many neighbours as there are lanes,
each row is one load, and the square is transposed in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gemel.codegen.places import alignment
from gemel.codegen.widen import vector
from gemel.semantics.ir import Buffer, Expr, Let, Load, Store
from gemel.semantics.schedule.windows import alike, offset
from gemel.semantics.traverse import Body, blocks_of, exprs_of, loaded, statements, stored, subexprs

if TYPE_CHECKING:
    from gemel.codegen.vectors import Lanes

WIDTHS = (2, 4, 8)
"""How many neighbours may share a stretch of memory."""


@dataclass(eq=False)
class Group:
    """Neighbours, first to last; `square` says that each lane has a row of its own.

    `values` are what members store, as memory has it.
    """

    places: tuple[tuple[Buffer, tuple[Expr, ...]], ...]
    square: bool = False
    values: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        """How many there are."""
        return len(self.places)


@dataclass
class Groups:
    """The neighbours among a loop's statements and loads."""

    lanes: Lanes
    stores: dict[Store, Group] = field(default_factory=dict)
    loads: dict[Load, tuple[Group, int]] = field(default_factory=dict)
    _made: dict[tuple[str, Group], list[str]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------------ finding

    def find(self, body: Body) -> None:
        """Notes the neighbours in a loop's body; where names that it makes say where, there are none."""
        if not any(isinstance(s, Let) for s in statements(body)):
            self._find(body)

    def _find(self, body: Body) -> None:
        for s in body:
            for block in blocks_of(s):
                self._find(block)
        for run in _runs(body):
            self._find_stores(run)
        changed = stored(body)
        loads = (e for s in body for x in exprs_of(s) for e in subexprs(x) if isinstance(e, Load))
        self._find_loads([e for e in loads if e.buffer not in changed])

    def _find_stores(self, run: Sequence[Store]) -> None:
        first = run[0]
        stride = self.lanes.stride(first.buffer, first.indices)
        if stride in WIDTHS and len(run) % stride == 0 and first.buffer not in loaded(run):
            for n in range(0, len(run), stride):
                group = Group(tuple((s.buffer, s.indices) for s in run[n : n + stride]))
                self.stores.update((s, group) for s in run[n : n + stride])

    def _find_loads(self, loads: Sequence[Load]) -> None:
        rows: list[list[Load]] = []
        for e in loads:
            row = next((r for r in rows if follows(r[-1], e, 1)), None)
            if row is None:
                rows.append([e])
            else:
                row.append(e)
        for row in rows:
            stride, square = self.lanes.stride(row[0].buffer, row[0].indices) or 0, self.lanes.count
            width = stride if stride in WIDTHS else square if abs(stride) >= square > 1 else 0
            for n in range(0, len(row) - width + 1 if width else 0, width or 1):
                group = Group(tuple((e.buffer, e.indices) for e in row[n : n + width]), width != stride)
                self.loads.update((e, (group, n)) for n, e in enumerate(row[n : n + width]))

    # ----------------------------------------------------------------------------------------------------- emission

    def load(self, e: Load, kind: str) -> str | None:
        """What memory has at a load's places, if a group's load gives it."""
        group, n = self.loads.get(e, (None, 0))
        mask = self.lanes.mask
        if group is None or (group.square and mask is not None) or kind not in SHUFFLED:
            return None
        key = (self.lanes.low.out.block, group)
        if key not in self._made:
            self._made[key] = self._square(group, kind) if group.square else self._apart(group, kind)
        return self._made[key][n]

    def _apart(self, group: Group, kind: str) -> list[str]:
        lanes, out, w = self.lanes, self.lanes.low.out, group.width
        b, indices = group.places[0]
        whole = lanes.load_row(kind, lanes.address(b, indices), alignment(b.dtype), w)
        t = vector(w * lanes.count, kind)
        return [out.value(_shuffle(t, whole, whole, range(n, w * lanes.count, w))) for n in range(w)]

    def _square(self, group: Group, kind: str) -> list[str]:
        """A row for each lane, transposed: in each turn pairs of rows change what one bit of the place tells apart."""
        lanes, out, n = self.lanes, self.lanes.low.out, self.lanes.count
        b, indices = group.places[0]
        base, stride, t = lanes.address(b, indices), lanes.stride(b, indices) or 0, vector(n, kind)
        rows = []
        for lane in range(n):
            at = out.value(f"getelementptr {kind}, ptr {base}, i64 {lane * stride}")
            rows.append(out.value(f"load {t}, ptr {at}, align {alignment(b.dtype)}"))
        bit = 1
        while bit < n:
            for i in (i for i in range(n) if not i & bit):
                x, y = rows[i], rows[i + bit]
                rows[i] = out.value(_shuffle(t, x, y, [j if not j & bit else n + j - bit for j in range(n)]))
                rows[i + bit] = out.value(_shuffle(t, x, y, [j + bit if not j & bit else n + j for j in range(n)]))
            bit *= 2
        return rows

    def store(self, s: Store, kind: str, raw: str) -> bool:
        """Keeps what a member of a group stores; with the last one, stores all. False where there is no group."""
        group = self.stores.get(s)
        if group is None or kind not in SHUFFLED:
            return False
        group.values.append(raw)
        if len(group.values) == group.width:
            b, indices = group.places[0]
            whole = self._together(group, kind)
            self.lanes.store_row(kind, whole, self.lanes.address(b, indices), alignment(b.dtype), group.width)
            group.values.clear()
        return True

    def _together(self, group: Group, kind: str) -> str:
        n, w, out, parts = self.lanes.count, group.width, self.lanes.low.out, group.values
        while len(parts) > 2:
            size = n * w // len(parts)
            t = vector(size, kind)
            parts = [
                out.value(_shuffle(t, a, b, range(2 * size))) for a, b in zip(parts[::2], parts[1::2], strict=True)
            ]
        half = vector(n * w // 2, kind)
        return out.value(_shuffle(half, parts[0], parts[-1], [q * n + i for i in range(n) for q in range(w)]))


SHUFFLED = ("i8", "i16", "i32", "i64", "float", "double")
"""What vectors in memory may have as elements."""


def expanded(lanes: Lanes, mask: str, width: int) -> str:
    """A mask with each lane so many times."""
    t = vector(lanes.count, "i1")
    return lanes.low.out.value(_shuffle(t, mask, mask, [n // width for n in range(lanes.count * width)]))


def _shuffle(kind: str, a: str, b: str, places: Sequence[int] | range) -> str:
    picks = ", ".join(f"i32 {p}" for p in places)
    return f"shufflevector {kind} {a}, {kind} {b}, <{len(places)} x i32> <{picks}>"


def _runs(body: Body) -> Iterator[list[Store]]:
    """Stores in a row of which each follows the one before in memory."""
    run: list[Store] = []
    for s in body:
        if isinstance(s, Store) and run and _next(run[-1], s):
            run.append(s)
        else:
            yield from [run] if run else []
            run = [s] if isinstance(s, Store) else []
    yield from [run] if run else []


def _next(a: Store, b: Store) -> bool:
    return follows(Load(a.buffer, a.indices, a.span), Load(b.buffer, b.indices, b.span), 1)


def follows(first: Load, e: Expr, n: int) -> bool:
    """Whether an element lies n after another one."""
    if not isinstance(e, Load) or e.buffer is not first.buffer or not e.indices:
        return False
    if not all(map(alike, e.indices[:-1], first.indices[:-1])):
        return False
    (base, start), (other, end) = offset(first.indices[-1]), offset(e.indices[-1])
    same = base is None and other is None
    return end - start == n and (same or (base is not None and other is not None and alike(base, other)))
