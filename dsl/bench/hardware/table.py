"""The tables of a run, as Markdown that lines up in a terminal: our figures, then each tool's with ours over theirs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gemel.bench.hardware.measure import Row

OURS = ("kernel", "cycles", "LUT", "of them RAM", "FF", "DSP", "BRAM", "II")
WHAT = (("cycles", "cycles"), ("lut", "LUT"))
"""What is compared: the key of a published figure, and how a table calls it."""


def tables(rows: Sequence[Row], tools: Mapping[str, str]) -> str:
    """A table for each group."""
    groups = dict.fromkeys(r["group"] for r in rows)
    return "\n\n".join(_group(g, [r for r in rows if r["group"] == g], tools) for g in groups)


def ratio(row: Row, tool: str, what: str) -> float | None:
    """Our figure over a tool's; None where one of them isn't known."""
    ours, theirs = figure(row, what), row["published"].get(tool, {}).get(what)
    return ours / theirs if ours and theirs else None


def figure(row: Row, what: str) -> float | None:
    """Our figure."""
    return row.get("cycles") if what == "cycles" else row.get("area", {}).get(what)


def mean(values: Iterable[float | None]) -> float | None:
    """The geometric mean of those that are known."""
    logs = [math.log(v) for v in values if v]
    return math.exp(sum(logs) / len(logs)) if logs else None


def means(rows: Sequence[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Geometric means of ours over theirs: by group, tool and what is compared."""
    made: dict[str, dict[str, dict[str, float]]] = {}
    for group in dict.fromkeys(r["group"] for r in rows):
        some = [r for r in rows if r["group"] == group]
        for tool in _tools(some):
            found = {what: mean(ratio(r, tool, what) for r in some) for what, _ in WHAT}
            made.setdefault(group, {})[tool] = {k: round(v, 4) for k, v in found.items() if v}
    return made


def _tools(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(t for r in rows for t in r["published"]))


# -------------------------------------------------------------------------------------------------------------- a group


def _group(name: str, rows: Sequence[Row], tools: Mapping[str, str]) -> str:
    columns = [(t, w) for t in _tools(rows) for w in WHAT if any(w[0] in r["published"].get(t, {}) for r in rows)]
    head = [*OURS, *(f"{t} {label}" for t, (_, label) in columns)]
    body = [[*_ours(r), *(_compared(r, t, what) for t, (what, _) in columns)] for r in rows]
    if columns:
        last = [mean(ratio(r, t, what) for r in rows) for t, (what, _) in columns]
        body.append(["geometric mean", *[""] * (len(OURS) - 1), *(f"{m:.2f}x" if m else "-" for m in last)])
    notes = [f"- {r['kernel']}: {text}" for r in rows for text in problems(r)]
    facts = " ".join(f"{t}: {tools[t]}." for t in _tools(rows))
    return "\n".join(
        [f"## {name} ({_where(rows)})", "", *aligned(head, body), *_spaced(notes), *_spaced([facts] if facts else [])]
    )


def _spaced(lines: list[str]) -> list[str]:
    return ["", *lines] if lines else []


def _where(rows: Sequence[Row]) -> str:
    built = next((r for r in rows if "target" in r), None)
    if built is None:
        return "none built"
    return f"{built['clock ns']:.3g} ns on {built['target']}, area by yosys for {built.get('family', 'none')}"


def _ours(r: Row) -> list[str]:
    area = r.get("area", {})
    counts = [_count(area.get(k)) for k in ("lut", "lutram", "ff", "dsp", "bram")]
    return [r["kernel"], _cycles(r), *counts, _intervals(r.get("ii", []))]


def _cycles(r: Row) -> str:
    if "cycles" not in r:
        return "refused" if "refused" in r else "failed"
    return _count(r["cycles"]) + ("!" if r.get("failed") else "")


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _intervals(found: Sequence[int | None]) -> str:
    return " ".join("-" if ii is None else str(ii) for ii in dict.fromkeys(found))


def _compared(r: Row, tool: str, what: str) -> str:
    theirs, value = r["published"].get(tool, {}).get(what), ratio(r, tool, what)
    return _count(theirs) + (f" {value:.2f}x" if value else "")


def problems(r: Row) -> list[str]:
    """What went wrong with a row, and where its bits differ."""
    differ = [f"{e}: {said}" for e, said in r.get("identity", {}).items() if said != "same"]
    refused = [r["refused"]] if "refused" in r else []
    return [*refused, *r.get("failed", ()), *differ]


def aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns line up; the first column to the left, the others to the right."""
    widths = [max(3, *(len(row[n]) for row in (head, *body))) for n in range(len(head))]
    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return [_line(head, widths), "| " + " | ".join(rule) + " |", *(_line(row, widths) for row in body)]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
    return "| " + " | ".join(cells) + " |"


def identical(rows: Sequence[Row]) -> str:
    """How many kernels have the same bits everywhere; empty where nobody asked."""
    asked: list[Any] = [r["identity"] for r in rows if "identity" in r]
    if not asked:
        return ""
    good = sum(all(said == "same" for said in found.values()) for found in asked)
    return f"{good} of {len(asked)} kernels leave the same bits in " + ", ".join(
        dict.fromkeys(e for f in asked for e in f)
    )
