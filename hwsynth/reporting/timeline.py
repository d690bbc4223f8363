"""A run as a picture (SVG): its loops and the code between them down, cycles across."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from gemel.hwsynth.charts import Stretch
from gemel.hwsynth.reporting.gantt import LABELS, LANE, TOP, WIDTH

COLOUR = "#4c78a8"
MARKS = 4
"""Cycle numbers after the first."""


def timeline(run: Sequence[Stretch]) -> str:
    """The picture of a run."""
    whole = max(max(s.end for s in run), 1)
    rows = list(dict.fromkeys((s.what, s.span) for s in run))
    width, height = LABELS + WIDTH + 60, TOP + LANE * len(rows) + 4
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = 'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12"'
    bars = [_bar(s, TOP + LANE * rows.index((s.what, s.span)), whole) for s in run]
    return "\n".join([f'{head} {style} role="img" aria-label="run">', *_marks(whole, height), *bars, "</svg>"])


def _marks(whole: int, height: int) -> Iterator[str]:
    yield f'<rect x="0" y="0" width="100%" height="{height}" fill="#fff"/>'
    for cycle in dict.fromkeys(whole * n // MARKS for n in range(MARKS + 1)):
        x = LABELS + cycle * WIDTH / whole
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 2}" stroke="#ccc" stroke-dasharray="2 3"/>'
        yield f'<text x="{x:.1f}" y="14" text-anchor="middle" fill="#555">{cycle:,}</text>'


def _bar(s: Stretch, y: int, whole: int) -> str:
    x, wide = LABELS + s.begin * WIDTH / whole, max((s.end - s.begin) * WIDTH / whole, 1.5)
    label = f"{s.span.line}  {s.what}" if s.span.line else s.what
    tip = f"{s.what}: from cycle {s.begin:,} up to {s.end:,}"
    return (
        f'<g><title>{escape(tip)}</title><text x="6" y="{y + 15}" font-size="11">{escape(label[:40])}</text>'
        f'<rect x="{x:.1f}" y="{y + 3}" width="{wide:.1f}" height="{LANE - 6}" rx="2" fill="{COLOUR}"/></g>'
    )
