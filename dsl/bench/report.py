"""The table of a run, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from gemel.bench.contenders.known import MODULES, OURS
from gemel.bench.record import Row

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def duration(seconds: float) -> str:
    """Seconds to three digits, with a unit."""
    size, unit = next((u for u in UNITS if seconds >= u[0]), UNITS[-1])
    value = seconds / size
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"


def table(rows: list[Row], title: str) -> Table:
    """A row for each workload, a column for each contender that has a time in one."""
    names = [n for n in MODULES if any(n in r["times"] for r in rows)]
    made = Table("workload", *names, "best peer / ours", "of the roof", title=title, title_justify="left")
    for column in made.columns[1:]:
        column.justify = "right"
    for r in rows:
        made.add_row(escape(r["workload"]), *(_time(r, n) for n in names), _ratio(r), _reached(r))
    return made


def _time(r: Row, name: str) -> str:
    found = r["times"].get(name)
    if found is None:
        return "-"
    if "failed" in found:
        return "[red]failed[/]"
    text = f"{duration(found['median'])}"
    spread = (found["p90"] - found["p10"]) / 2 / found["median"]
    shown = f"{text} ±{spread:.0%}"
    return f"[bold]{shown}[/]" if r.get("best", {}).get("peer") == name or name == OURS else shown


def _ratio(r: Row) -> str:
    if "best" not in r:
        return "-"
    ratio = r["best"]["ratio"]
    colour = "green" if ratio >= 1 else "yellow" if ratio >= 0.9 else "red"
    return f"[{colour}]{ratio:.2f}[/] {r['best']['peer']}"


def _reached(r: Row) -> str:
    return f"{r['reached']:.0%} {r['roof']['bound']}" if "reached" in r else "-"


def failures(rows: list[Row]) -> list[str]:
    """What went wrong, one line each."""
    return [
        f"{r['workload']}: {name}: {t['failed']}" for r in rows for name, t in r["times"].items() if t.get("failed")
    ]


def notes(rows: list[Row]) -> list[str]:
    """What has to be known of some rows, each once."""
    found: dict[str, list[str]] = {}
    for r in rows:
        if r.get("note"):
            found.setdefault(r["note"], []).append(r["workload"])
    return [f"{names[0]}{' and others' if len(names) > 1 else ''}: {note}" for note, names in found.items()]


def heading(data: Mapping[str, Any]) -> str:
    """What ran where, in some lines."""
    m, peaks = data["machine"], data["roofs"]
    rates = ", ".join(f"{k} {v / 1e9:.0f} GB/s" for k, v in peaks.items() if k != "flops")
    load, plan = data["load"], data["settings"]
    versions = ", ".join(f"{k} {v}" for k, v in data["versions"].items())
    return "\n".join(
        (
            f"{m['cpu']}, {m['cores']} cores, {m['caches']}; {data['date']}",
            f"{plan['threads']} thread(s), {plan['clock']} time, load {load['start'][0]} to {load['end'][0]}",
            f"one core: {peaks.get('flops', 0) / 1e9:.0f} GFLOP/s in f32, reading {rates}",
            versions,
        )
    )
