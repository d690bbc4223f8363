"""A report as tables, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemel.hwsynth.formula import Formula
    from gemel.hwsynth.report import LoopReport, MemoryReport, Report, UnitReport

_MEMORY_HEAD = ["memory", "words", "bits", "total", "ports", "made of", "holds"]

Table = tuple[str, list[str], list[list[str]]]
"""A title, the names of the columns, the rows."""


def text(report: Report, formula: Formula | None) -> str:
    """The whole report."""
    lines = [f"{report.kernel} for {report.target} at {report.clock_mhz:g} MHz", *report.headlines()]
    lines += [f"  = {formula}"] if formula is not None else []
    for title, head, rows in tables(report):
        lines.append("")
        if title == "resources":
            lines.append(f"{title}: {', '.join(f'{n} {name}' for name, n in rows)}")
            continue
        lines += _table(head, rows)
        if title == "loops":
            lines += [line for row in report.loops for line in _chain(row)]
    return "\n".join(lines)


def tables(r: Report) -> Iterator[Table]:
    """The tables of a report that have rows."""
    found: list[Table] = [
        ("loops", *_loops(r)),
        ("memories", _MEMORY_HEAD, list(map(_memory_row, r.memories))),
        ("units", ["unit", "instances", "operations", "latency", "every", "lines"], list(map(_unit_row, r.units))),
        ("estimated", *_estimated(r)),
        ("resources", ["resource", "number"], list(map(list, _resources(r)))),
    ]
    return (t for t in found if t[2])


def _estimated(r: Report) -> tuple[list[str], list[list[str]]]:
    """What each kind of thing takes, and all together."""
    if r.estimated is None:
        return [], []
    e = r.estimate
    rows = [[kind, *(_amount(used.get(name, 0)) for name in e.resources)] for kind, used in sorted(e.by_kind.items())]
    head = ["estimated", *(name.upper() if name != "um2" else name for name in e.resources)]
    return head, [*rows, ["all", *map(_amount, e.resources.values())]]


def _amount(n: float) -> str:
    return f"{round(n):,}" if n else "-"


def _resources(r: Report) -> Iterator[tuple[str, str]]:
    yield from ((name, f"{n:,}") for name, n in sorted(r.operators.items()))
    yield "register bits", f"{r.register_bits:,}"
    inside = [m for m in r.memories if not m.external]
    if inside:
        yield "memory bits inside", f"{sum(m.words * m.bits for m in inside):,}"


def _chain(r: LoopReport) -> Iterator[str]:
    """What bounds a loop's II, link by link."""
    if not r.chain:
        return
    yield ""
    yield f"{r.name}: II {r.ii}, {r.bound}"
    for s in r.chain:
        yield f"  line {s.span.line}: {s!s:<44}  {s.span.text().strip()}".rstrip()


def _loops(r: Report) -> tuple[list[str], list[list[str]]]:
    """The loops, with those that run at the same time where there are any."""
    head, rows = ["loop", "line", "trips", "II", "depth"], list(map(_loop_row, r.loops))
    if not any(row.beside for row in r.loops):
        return [*head, "II bounded by"], rows
    together = [", ".join(f"line {line}" for _, line in row.beside) or "-" for row in r.loops]
    return [*head, "together with", "II bounded by"], [
        [*row[:-1], lines, row[-1]] for row, lines in zip(rows, together, strict=True)
    ]


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
    ports = [f"{n} {what}{'s' * (n > 1)}" for n, what in ((m.reads, "read"), (m.writes, "write")) if n]
    where = "outside" if m.external else m.made_of
    holds = "a constant table" if m.constant and not m.holds else m.holds
    return [m.name, f"{m.words:,}", str(m.bits), f"{m.words * m.bits:,} bits", ", ".join(ports), where, holds]


def _unit_row(u: UnitReport) -> list[str]:
    return [u.name, *map(str, (u.instances, u.operations, u.latency, u.interval)), ", ".join(map(str, u.lines))]


def _number(n: int | None) -> str:
    return "data" if n is None else f"{n:,}"


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
