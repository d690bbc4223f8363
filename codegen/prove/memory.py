"""Memory of LLVM IR on symbols: each object has words by their offset in bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gemel.codegen.prove.reading import Type
from gemel.semantics.symbolic.meaning import Unsupported
from gemel.semantics.symbolic.terms import Term, Value, Words

Cells = dict[int, tuple[int, Value]]
"""By offset: the width of a word, and the word."""


class Base:
    """An object in memory, so many bytes: an array, a global, a variable."""

    __slots__ = ("name", "size")

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size


@dataclass(frozen=True)
class Pointer:
    """A place: an object (None for no object at all) and an offset in bytes."""

    base: Base | None
    offset: Value


class Memory:
    """All objects. `require` is told what must hold of places that are symbols."""

    def __init__(self, words: Words, require: Callable[[Value, str], None]) -> None:
        self.words, self.require = words, require
        self.cells: dict[Base, Cells] = {}
        self.globals: dict[str, Base] = {}

    def make(self, name: str, size: int) -> Base:
        """A new object; nothing was stored there."""
        base = Base(name, size)
        self.cells[base] = {}
        return base

    def provide(self, name: str, data: bytes) -> None:
        """A global object of known bytes."""
        self.globals[name] = base = self.make(name, len(data))
        self.cells[base] = {n: (8, b) for n, b in enumerate(data)}

    def known(self, name: str) -> Base:
        """A global object."""
        if name not in self.globals:
            raise Unsupported(f"the data of {name}")
        return self.globals[name]

    def copy(self) -> dict[Base, Cells]:
        """What all objects hold now."""
        return {base: dict(cells) for base, cells in self.cells.items()}

    def joined(self, cond: Value, a: dict[Base, Cells], b: dict[Base, Cells]) -> dict[Base, Cells]:
        """What objects hold after one of two ways."""
        made: dict[Base, Cells] = {}
        for base in {**a, **b}:
            one, two = a.get(base, {}), b.get(base, {})
            made[base] = cells = {}
            for at in {**one, **two}:
                x, y = one.get(at), two.get(at)
                if x is None or y is None:
                    cells[at] = x or y or (0, 0)
                elif x[0] != y[0]:
                    raise Unsupported(f"words of different widths in {base.name}")
                else:
                    cells[at] = x[0], x[1] if x[1] is y[1] else self.words.ite(x[0], cond, x[1], y[1])
        return made

    # ------------------------------------------------------------------------------------------------------ accesses

    def load(self, p: Pointer, kind: Type) -> Any:
        """A value; a vector's elements stand one after the other."""
        if kind.kind == "vector":
            inner = kind.parts[0]
            return tuple(self.load(self._next(p, n * inner.bytes), inner) for n in range(kind.count))
        if kind.kind == "ptr":
            return self._cells(p)[self._known(p)][1]
        w = 8 * kind.bytes
        self._inside(p, kind.bytes)
        raw = self._word(p, w) if type(p.offset) is int else self._picked(p, w)
        return raw if w == kind.bits else self.words.ext(raw, 0, kind.bits)

    def store(self, p: Pointer, kind: Type, value: Any) -> None:
        """Stores a value."""
        if kind.kind == "vector":
            inner = kind.parts[0]
            for n, v in enumerate(value):
                self.store(self._next(p, n * inner.bytes), inner, v)
            return
        w = 8 * kind.bytes
        if kind.kind == "ptr":
            self._cells(p)[self._known(p)] = w, value
            return
        self._inside(p, kind.bytes)
        word = value if w == kind.bits else self.words.zext(value, kind.bits, w)
        if type(p.offset) is int:
            self._put(self._cells(p), p.offset, w, word)
            return
        cells = self._cells(p)
        index, places = self._index(p, w, cells)
        for n, at in enumerate(places):
            chosen = self.words.ite(w, self.words.eq(index.w, index, n), word, cells[at][1])
            cells[at] = w, chosen

    def _inside(self, p: Pointer, size: int) -> None:
        if p.base is not None and type(p.offset) is int and p.offset + size > p.base.size:
            self.require(0, f"an access outside of {p.base.name}")

    def _next(self, p: Pointer, more: int) -> Pointer:
        return Pointer(p.base, self.words.add(64, p.offset, more))

    def _cells(self, p: Pointer) -> Cells:
        if p.base is None:
            raise Unsupported("memory at no object")
        return self.cells[p.base]

    @staticmethod
    def _known(p: Pointer) -> int:
        if type(p.offset) is not int:
            raise Unsupported("the address of an address depends on the data")
        return p.offset

    def _word(self, p: Pointer, w: int) -> Value:
        cells, at = self._cells(p), self._known(p)
        found = cells.get(at)
        if found is not None and found[0] == w:
            return found[1]
        parts: list[Any] = []
        for n in range(w // 8):
            parts = [8, self._byte(cells, at + n, p), *parts]
        return self.words.cat(*parts)

    def _byte(self, cells: Cells, at: int, p: Pointer) -> Value:
        for start in range(at, at - 8, -1):
            found = cells.get(start)
            if found is not None and start + found[0] // 8 > at:
                return self.words.ext(found[1], 8 * (at - start), 8)
        name = p.base.name if p.base else ""
        cells[at] = 8, self.words.fresh(f"{name}+{at}", 8)
        return cells[at][1]

    def _put(self, cells: Cells, at: int, w: int, word: Value) -> None:
        """Stores a word; what overlaps it is cut into bytes before."""
        if cells.get(at, (w, 0))[0] != w or not self._alone(cells, at, w):
            for start in range(at - 7, at + w // 8):
                found = cells.get(start)
                if found is not None and found[0] > 8 and start + found[0] // 8 > at:
                    for n in range(found[0] // 8):
                        cells[start + n] = 8, self.words.ext(found[1], 8 * n, 8)
            for n in range(w // 8):
                cells.pop(at + n, None)
        cells[at] = w, word

    @staticmethod
    def _alone(cells: Cells, at: int, w: int) -> bool:
        before = (cells.get(s) for s in range(at - 7, at))
        inside = any(at + n in cells for n in range(1, w // 8))
        return not inside and all(f is None or at - 7 + n + f[0] // 8 <= at for n, f in enumerate(before))

    # ------------------------------------------------------------------------------------------ places that are symbols

    def _index(self, p: Pointer, w: int, cells: Cells) -> tuple[Term, list[int]]:
        """Which word of an array of them a place is; each has to have that width."""
        self._regular(cells, w)
        places = sorted(cells)
        size = w // 8
        if places != list(range(0, size * len(places), size)) or any(cells[a][0] != w for a in places):
            raise Unsupported(f"a place in {p.base.name if p.base else ''} that depends on the data")
        low = size.bit_length() - 1
        index = self.words.ext(p.offset, low, 64 - low)
        inside = self.words.ult(64 - low, index, len(places))
        aligned = self.words.eq(low, self.words.ext(p.offset, 0, low), 0) if low else 1
        self.require(self.words.and_(1, inside, aligned), "a place inside of its array")
        bits = max(1, (len(places) - 1).bit_length())
        cut = self.words.ext(index, 0, bits) if type(index) is Term else index
        if type(cut) is not Term:
            raise Unsupported("a place that turned out to be known")
        return cut, places

    def _regular(self, cells: Cells, w: int) -> None:
        """Bytes of a table become words."""
        size = w // 8
        if size == 1 or not cells or any(width != 8 for width, _ in cells.values()) or len(cells) % size:
            return
        found = {}
        for at in range(0, len(cells), size):
            parts: list[Any] = []
            for n in range(size):
                parts = [8, cells[at + n][1], *parts]
            found[at] = w, self.words.cat(*parts)
        cells.clear()
        cells.update(found)

    def _picked(self, p: Pointer, w: int) -> Value:
        cells = self._cells(p)
        index, places = self._index(p, w, cells)
        return self.words.pick(w, index, tuple(cells[at][1] for at in places))
