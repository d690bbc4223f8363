"""Measured rows: a delay and areas for a few sizes, and what lies between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MEMORY_WIDTH = 32
"""Bits of a word of the memories in the row `memory`, whose sizes are words."""


@dataclass(frozen=True)
class Table:
    """An operator's figures at some sizes (bits, or words of a memory): ns, and of each resource how much."""

    sizes: tuple[int, ...]
    delays: tuple[float, ...]
    areas: Mapping[str, tuple[float, ...]]

    def delay(self, size: float) -> float:
        """The delay at a size in ns."""
        return interpolated(self.sizes, self.delays, size)

    def area(self, size: float) -> dict[str, float]:
        """The resources at a size."""
        return {name: interpolated(self.sizes, row, size) for name, row in self.areas.items()}

    def stepped(self, size: int) -> dict[str, float]:
        """The resources at the next measured size: those of a memory, whose kind changes with its size; in proportion
        beyond the last."""
        n = bisect_left(self.sizes, size)
        if n == len(self.sizes):
            return {name: row[-1] * size / self.sizes[-1] for name, row in self.areas.items()}
        return {name: row[n] for name, row in self.areas.items()}


def interpolated(sizes: Sequence[int], values: Sequence[float], size: float) -> float:
    """On the lines between neighbouring points; beyond the last, on the line through the last two, never below 0.

    Below the first point it is that point's share for the size, or all of it where a row has no slope.
    """
    if len(sizes) == 1 or size <= sizes[0]:
        return values[0]
    n = min(max(bisect_left(sizes, size), 1), len(sizes) - 1)
    slope = (values[n] - values[n - 1]) / (sizes[n] - sizes[n - 1])
    return max(0.0, values[n - 1] + slope * (size - sizes[n - 1]))


def table(row: Mapping[str, Any]) -> Table:
    """A row of a data file."""
    areas = {name: tuple(map(float, row[name])) for name in row if name not in ("size", "delay")}
    return Table(tuple(row["size"]), tuple(map(float, row["delay"])), areas)
