"""`gm.grid`, `gm.unroll`, `gm.static`, `gm.dims`: how loops and sizes are written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from gemel.semantics.errors import ArgumentError
from gemel.traced import Dim


class Grid:
    """Nested loops of the kernel over 0..n-1 each."""

    def __init__(self, sizes: tuple[Any, ...]) -> None:
        self.sizes = sizes

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(int(s)) for s in self.sizes))


def grid(*sizes: Any) -> Grid:
    """Nested loops of the kernel over all index tuples below `sizes`: `for i, j in gm.grid(M, N)`.

    The last index runs fastest. A size is an int, a dim or an integer value.
    """
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
    """A loop that runs while tracing, so that each turn leaves its statements: `for n in gm.unroll(range(4))`.

    Raises TraceError P06 for a range whose bounds tracing doesn't know.
    """
    return list(items)


def dims(names: str) -> Any:
    """Symbolic sizes from names separated by spaces, for annotations: `M, N = gm.dims("M N")`; one name gives one size.

    Inside a kernel a size is an `index`; its value comes from the arrays of a call.
    """
    if not isinstance(names, str):
        raise ArgumentError(f"gm.dims takes names, not {names!r}", code="A06", mend='write gm.dims("M N")')
    made = tuple(Dim(name) for name in names.replace(",", " ").split())
    return made[0] if len(made) == 1 else made


class Static:
    """`gm.static[int]`: the annotation of an argument that tracing knows; one program is made for each value.

    The kind may be any Python type; `gm.static[type]` takes an element type such as `f32`.
    """

    def __init__(self, kind: Any = object) -> None:
        self.kind = kind

    def __getitem__(self, kind: Any) -> Static:
        return Static(kind)

    def __repr__(self) -> str:
        return f"gm.static[{getattr(self.kind, '__name__', self.kind)}]"


static = Static()
