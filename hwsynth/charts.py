"""What a report shows of a region's schedule: when each operation begins and ends; and what bounds the II."""

from __future__ import annotations

from dataclasses import dataclass

from gemel.semantics.span import Span

SHORTEST = 0.05
"""Nanoseconds below which an operation is wiring, and not shown."""


@dataclass(frozen=True)
class Bar:
    """An operation: what it is, its kind, and its times in clock cycles from the iteration's begin."""

    what: str
    kind: str
    span: Span
    begin: float
    end: float


@dataclass(frozen=True)
class Chart:
    """A region's schedule; `ii` is None where it isn't pipelined, `period` in ns."""

    title: str
    span: Span
    ii: int | None
    depth: int
    period: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Stretch:
    """When a region of a kernel runs: from cycle `begin` up to `end`, counted from where the first one begins."""

    what: str
    span: Span
    begin: int
    end: int


@dataclass(frozen=True)
class Step:
    """A link of what bounds an II: an operation, where it is, and what it takes: whole cycles, and ns of logic."""

    what: str
    span: Span
    cycles: int
    ns: float

    def __str__(self) -> str:
        took = self.took()
        return f"{self.what}: {took}" if took else self.what

    def took(self) -> str:
        """Its time in words; nothing where it takes none."""
        cycles = f"{self.cycles} cycle{'s' * (self.cycles > 1)}" if self.cycles else ""
        logic = f"{self.ns:.2f} ns" if self.ns >= SHORTEST else ""
        return " + ".join(filter(None, (cycles, logic)))
