"""What synthesis found: loops with their initiation intervals, cycles, operators, memories."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

from gemel.semantics.span import Span


@dataclass(frozen=True)
class LoopReport:
    """A loop: trip count, initiation interval (None: not pipelined), depth in cycles, what bounds the interval where.

    A number that depends on data is None.
    """

    name: str
    level: int
    span: Span
    trips: int | None
    ii: int | None
    depth: int | None
    bound: str
    lines: tuple[int, ...]


@dataclass(frozen=True)
class MemoryReport:
    """A memory: words, bits a word, ports used, and whether it lies outside of the module."""

    name: str
    words: int
    bits: int
    reads: int
    writes: int
    external: bool


@dataclass(frozen=True)
class UnitReport:
    """A kind of functional unit: its instances, the operations that these do and where, and its timing in cycles."""

    name: str
    instances: int
    operations: int
    lines: tuple[int, ...]
    latency: int
    interval: int


@dataclass(frozen=True)
class Report:
    """The report of a design; `str()` is for the terminal."""

    kernel: str
    target: str
    clock_mhz: float
    cycles: int | None
    loops: tuple[LoopReport, ...]
    memories: tuple[MemoryReport, ...]
    operators: dict[str, int] = field(default_factory=dict)
    register_bits: int = 0
    units: tuple[UnitReport, ...] = ()

    def __str__(self) -> str:
        known = f"{self.cycles:,}" if self.cycles is not None else "depends on the data"
        time = f" ({self.cycles / self.clock_mhz:,.2f} us)" if self.cycles is not None else ""
        lines = [f"{self.kernel} for {self.target} at {self.clock_mhz:g} MHz", f"cycles: {known}{time}", ""]
        lines += _table(["loop", "line", "trips", "II", "depth", "II bounded by"], [_loop_row(r) for r in self.loops])
        lines += [
            "",
            *_table(["memory", "words", "bits", "reads", "writes", "where"], [_memory_row(m) for m in self.memories]),
        ]
        if self.units:
            lines += [
                "",
                *_table(["unit", "instances", "operations", "latency", "every", "lines"], _unit_rows(self.units)),
            ]
        lines += ["", "operators: " + ", ".join(f"{n} {name}" for name, n in sorted(self.operators.items()))]
        lines.append(f"registers: {self.register_bits} bits")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _loop_row(r: LoopReport) -> list[str]:
    lines = f" [line{'s' * (len(r.lines) > 1)} {', '.join(map(str, r.lines))}]" if r.lines and r.bound else ""
    bound = r.bound + lines
    return [
        "  " * r.level + r.name,
        str(r.span.line),
        _number(r.trips),
        _number(r.ii) if r.ii is not None else "-",
        _number(r.depth),
        bound,
    ]


def _memory_row(m: MemoryReport) -> list[str]:
    return [m.name, str(m.words), str(m.bits), str(m.reads), str(m.writes), "outside" if m.external else "inside"]


def _unit_rows(units: tuple[UnitReport, ...]) -> list[list[str]]:
    return [
        [u.name, *map(str, (u.instances, u.operations, u.latency, u.interval)), ", ".join(map(str, u.lines))]
        for u in units
    ]


def _number(n: int | None) -> str:
    return "data" if n is None else f"{n:,}"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    if not rows:
        return []
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
