"""Vectors that a block has stored to local arrays: a load that they cover takes them as they are, or shuffled.

A vector that is loaded right after others that overlap it were stored would have to wait until these are in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.codegen.emitter import Emitter
from gemel.semantics.ir import Buffer


@dataclass(frozen=True)
class Row:
    """A vector in memory: its value, the LLVM type of its elements, how many they are."""

    value: str
    kind: str
    lanes: int


@dataclass
class Stored:
    """What the current block has stored, by the first element's place in its array."""

    out: Emitter
    block: str = ""
    rows: dict[Buffer, dict[int, Row]] = field(default_factory=dict)

    def put(self, b: Buffer, first: int | None, row: Row) -> None:
        """A store has been emitted; None: nobody knows where to."""
        rows = self._rows(b)
        if first is None:
            rows.clear()
            return
        for at in [at for at, other in rows.items() if at < first + row.lanes and first < at + other.lanes]:
            del rows[at]
        rows[first] = row

    def drop(self, b: Buffer | None = None) -> None:
        """An array has changed in another way; None: any may have."""
        if b is None:
            self.rows.clear()
        else:
            self.rows.pop(b, None)

    def get(self, b: Buffer, first: int, lanes: int, kind: str) -> str | None:
        """The value of a vector of elements from `first` on, where the block's stores cover it."""
        parts = self._cover(self._rows(b), first, lanes, kind)
        if parts is None:
            return None
        (start, row), *more = parts
        if not more and row.value.startswith("%"):
            return row.value
        t, other = f"<{lanes} x {kind}>", more[0][1].value if more else "poison"  # a literal gets a name
        mask = ", ".join(f"i32 {first - start + n}" for n in range(lanes))
        return self.out.value(f"shufflevector {t} {row.value}, {t} {other}, <{lanes} x i32> <{mask}>")

    def _rows(self, b: Buffer) -> dict[int, Row]:
        if self.block != self.out.block:
            self.block, self.rows = self.out.block, {}
        return self.rows.setdefault(b, {})

    @staticmethod
    def _cover(rows: dict[int, Row], first: int, lanes: int, kind: str) -> list[tuple[int, Row]] | None:
        """One row that is the vector itself, or two that follow each other and cover it."""
        for start, row in rows.items():
            if row.kind != kind or row.lanes != lanes or not start <= first < start + lanes:
                continue
            after = rows.get(start + lanes)
            if start == first:
                return [(start, row)]
            if after is not None and after.kind == kind and after.lanes == lanes:
                return [(start, row), (start + lanes, after)]
        return None
