"""`gm.grid`, `gm.unroll`, `gm.static`, `gm.dims`: how loops and sizes are written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from gemel.values import Dim


class Grid:
    """Nested loops of the kernel over 0..n-1 each."""

    def __init__(self, sizes: tuple[Any, ...]) -> None:
        self.sizes = sizes

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(int(s)) for s in self.sizes))


def grid(*sizes: Any) -> Grid:
    """Loops over all index tuples below `sizes`, the last index fastest: `for i, j in gm.grid(M, N)`."""
    return Grid(sizes)


class Unordered:
    """A loop of the kernel whose iterations may run in any order, or at once."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def parallel(items: Any) -> Unordered:
    """Says that no iteration touches an element that another one writes: `for i in gm.parallel(range(N))`.

    `verify` proves it or shows two iterations that do; accumulations by the same op may meet.
    """
    return Unordered(items)


def unroll(items: Iterable[Any]) -> list[Any]:
    """A loop that runs while tracing: `for n in gm.unroll(range(4))`."""
    return list(items)


def dims(names: str) -> Any:
    """Symbolic sizes from names separated by spaces; one name gives one Dim, several a tuple."""
    made = tuple(Dim(name) for name in names.replace(",", " ").split())
    return made[0] if len(made) == 1 else made


class Static:
    """`gm.static[int]`: the annotation of an argument that tracing knows."""

    def __init__(self, kind: Any = object) -> None:
        self.kind = kind

    def __getitem__(self, kind: Any) -> Static:
        return Static(kind)

    def __repr__(self) -> str:
        return f"gm.static[{getattr(self.kind, '__name__', self.kind)}]"


static = Static()
