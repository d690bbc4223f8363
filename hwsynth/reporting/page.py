"""A report as one HTML file that needs nothing else, to be read on a screen or printed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gemel.hwsynth.charts import Chart
from gemel.hwsynth.reporting.gantt import COLOURS, MOST, gantt
from gemel.hwsynth.reporting.tables import tables
from gemel.hwsynth.reporting.timeline import timeline
from gemel.semantics.errors import ToolError

if TYPE_CHECKING:
    from gemel.hwsynth.report import LoopReport, Report

_STYLE = """
.gemel-report { font: 14px/1.45 system-ui, Helvetica, Arial, sans-serif; color: #222;
  max-width: 1200px; margin: 0 auto; }
.gemel-report h1 { font-size: 22px; margin: 0 0 4px; } .gemel-report h2 { font-size: 16px; margin: 26px 0 8px; }
.gemel-report h3 { font-size: 14px; margin: 18px 0 6px; font-weight: 600; }
.gemel-report table { border-collapse: collapse; background: #fff; }
.gemel-report th, .gemel-report td { padding: 3px 12px 3px 0; text-align: left; vertical-align: top; }
.gemel-report th { border-bottom: 1px solid #888; font-weight: 600; }
.gemel-report td { border-bottom: 1px solid #e4e4e0; font-variant-numeric: tabular-nums; }
.gemel-report td.n, .gemel-report th.n { text-align: right; }
.gemel-report code { font: 12px ui-monospace, Menlo, Consolas, monospace; }
.gemel-report .facts { color: #444; margin: 2px 0; } .gemel-report .big { font-size: 17px; color: #111; }
.gemel-report .picture { overflow-x: auto; margin: 4px 0 10px; }
.gemel-report .key span { display: inline-block; margin-right: 14px; font-size: 12px; color: #444; }
.gemel-report .key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 5px; }
.gemel-report details { margin: 4px 0; } .gemel-report ol { margin: 2px 0 8px; padding-left: 24px; }
@media print { .gemel-report { max-width: none; font-size: 11px; }
  .gemel-report .picture svg { max-width: 100%; height: auto; }
  .gemel-report h3, .gemel-report .picture, .gemel-report tr { break-inside: avoid; } }
"""

_KEY = {
    "operator": "operator",
    "unit": "functional unit",
    "load": "memory read",
    "store": "memory write",
    "carried value's update": "carried value",
    "check": "check",
}


def save(report: Report, path: str | os.PathLike[str]) -> Path:
    """Writes the page, whole or not at all; raises ToolError X02 where the place can't be written."""
    target = Path(path)
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=target.parent, suffix=".part", delete=False, encoding="utf-8"
        ) as file:
            file.write(page(report))
        os.chmod(file.name, 0o644)
        os.replace(file.name, target)
    except OSError as error:
        raise ToolError(
            f"the report {target} can't be written: {error.strerror}", code="X02", mend="choose another place"
        ) from None
    return target


def page(report: Report) -> str:
    """The whole page."""
    title = escape(f"{report.kernel} on {report.target}")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>body {{ margin: 24px; background: #fff; }}</style></head>\n"
        f"<body>{content(report, formula=True)}</body></html>\n"
    )


def content(report: Report, formula: bool = False) -> str:
    """What the page shows, as a piece of HTML with its own style; the formula of its cycles takes a while."""
    return "\n".join([f"<style>{_STYLE}</style>", '<div class="gemel-report">', *_sections(report, formula), "</div>"])


def _sections(r: Report, formula: bool) -> Iterator[str]:
    yield f"<h1>{escape(r.kernel)}</h1>"
    yield f'<p class="facts">hardware for {escape(r.target)} at {r.clock_mhz:g} MHz</p>'
    yield from (f'<p class="facts big">{escape(line)}</p>' for line in r.headlines())
    if formula and r.formula is not None:
        cycles, where = escape(r.formula.expression), escape(r.formula.condition)
        yield f'<p class="facts">cycles = <code>{cycles}</code> for {where}</p>'
    for title, head, rows in tables(r):
        yield f"<h2>{escape(title)}</h2>"
        yield _table(head, rows)
        if title == "loops":
            yield from map(_chain, (row for row in r.loops if row.chain))
    if r.run:
        yield "<h2>run</h2>"
        yield f'<div class="picture">{timeline(r.run)}</div>'
    if r.charts:
        yield "<h2>schedule</h2>"
        yield _key()
        yield from map(_picture, r.charts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = list(rows)
    numeric = [all(_is_number(row[k]) for row in body) for k in range(len(head))]
    classes = [' class="n"' if n else "" for n in numeric]
    cells = ["".join(f"<td{c}>{_indented(cell)}</td>" for c, cell in zip(classes, row, strict=True)) for row in body]
    top = "".join(f"<th{c}>{escape(h)}</th>" for c, h in zip(classes, head, strict=True))
    return f"<table><tr>{top}</tr>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _is_number(text: str) -> bool:
    return text.replace(",", "").isdigit() or text in ("-", "data", "")


def _indented(text: str) -> str:
    stripped = text.lstrip(" ")
    return "&emsp;" * ((len(text) - len(stripped)) // 2) + escape(stripped)


def _chain(row: LoopReport) -> str:
    """What bounds a loop's II, link by link."""
    links = "".join(
        f"<li>{escape(str(s))}, line {s.span.line} <code>{escape(s.span.text().strip())}</code></li>" for s in row.chain
    )
    return f"<h3>{escape(row.name)}: II {row.ii}, {escape(row.bound)}</h3><ol>{links}</ol>"


def _key() -> str:
    boxes = "".join(f'<span><i style="background:{COLOURS[k]}"></i>{text}</span>' for k, text in _KEY.items())
    return f'<p class="key">{boxes}<span><i style="background:#ddd"></i>next iteration</span></p>'


def _picture(chart: Chart) -> str:
    if not chart.bars:
        return ""
    more = len(chart.bars) - MOST
    note = f'<p class="facts">{more:,} further operations are not shown</p>' if more > 0 else ""
    where = f" (line {chart.span.line})" if chart.span.line else ""
    return f'<h3>{escape(chart.title)}{where}</h3><div class="picture">{gantt(chart)}</div>{note}'
