"""A schedule as a picture (SVG): source lines down, cycles across, chaining within them, the next iteration in grey."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from gemel.hwsynth.charts import Bar, Chart

LABELS, TOP, LANE, GAP = 250, 34, 20, 6
"""Pixels: the column of source lines, the row of cycle numbers, a row of bars, the space between lines."""

WIDEST, NARROWEST, WIDTH = 130, 36, 900
"""Pixels: the widest and the narrowest cycle, and the width that the cycles share in between."""

MOST = 400
"""Bars in a picture; of a larger region the first ones are shown."""

COLOURS = {
    "operator": "#4c78a8",
    "unit": "#7a5195",
    "load": "#2f9e6e",
    "store": "#e08214",
    "carried value's update": "#c94f4f",
    "check": "#8c8c8c",
}
"""Fills by kind of operation."""


@dataclass(frozen=True)
class Row:
    """A source line's bars, in lanes in which none overlap."""

    label: str
    tip: str
    lanes: tuple[tuple[Bar, ...], ...]


def gantt(chart: Chart) -> str:
    """The picture of a chart."""
    rows = list(_rows(chart.bars[:MOST]))
    cycle = max(NARROWEST, min(WIDEST, WIDTH // max(chart.depth, 1)))
    height = TOP + sum(len(r.lanes) * LANE + GAP for r in rows) + 4
    width = LABELS + cycle * chart.depth + 12
    parts = [*_grid(chart, cycle, height), *_bars(rows, chart, cycle)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = 'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="12"'
    return "\n".join([f'{head} {style} role="img" aria-label="{escape(chart.title)}">', *parts, "</svg>"])


def _rows(bars: Sequence[Bar]) -> Iterator[Row]:
    """The bars by source line, in the order of the source."""
    lines: dict[tuple[str, int], list[Bar]] = {}
    for b in bars:
        lines.setdefault((b.span.file, b.span.line), []).append(b)
    for (_, line), members in sorted(lines.items(), key=lambda item: (item[0][1], item[0][0])):
        source = members[0].span.source_line().strip()
        label = f"{line}  {source}" if line else "control"
        yield Row(label, source, tuple(map(tuple, _lanes(members))))


def _lanes(bars: Sequence[Bar]) -> list[list[Bar]]:
    """The bars in as few lanes as it takes, by when they begin."""
    lanes: list[list[Bar]] = []
    for b in sorted(bars, key=lambda b: (b.begin, b.end)):
        lane = next((lane for lane in lanes if lane[-1].end <= b.begin + 1e-6), None)
        if lane is None:
            lanes.append([b])
        else:
            lane.append(b)
    return lanes


def _grid(chart: Chart, cycle: int, height: int) -> Iterator[str]:
    """Cycles with their numbers, and where iterations begin."""
    yield f'<rect x="0" y="0" width="100%" height="{height}" fill="#fff"/>'
    for n in range(chart.depth + 1):
        x = LABELS + n * cycle
        begins = chart.ii is not None and n % chart.ii == 0
        colour, dash = ("#c94f4f", "") if begins and n else ("#ccc", ' stroke-dasharray="2 3"')
        yield f'<line x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{height - 2}" stroke="{colour}"{dash}/>'
        if n < chart.depth:
            yield f'<text x="{x + cycle / 2:.0f}" y="14" text-anchor="middle" fill="#555">{n}</text>'
    if chart.ii is not None and chart.ii < chart.depth:
        x = LABELS + chart.ii * cycle
        yield f'<text x="{x + 3}" y="{TOP - 6}" font-size="10" fill="#c94f4f">next iteration (II = {chart.ii})</text>'


def _bars(rows: Sequence[Row], chart: Chart, cycle: int) -> Iterator[str]:
    y = TOP
    for k, row in enumerate(rows):
        high = len(row.lanes) * LANE + GAP
        if k % 2 == 0:
            yield f'<rect x="0" y="{y}" width="{LABELS}" height="{high}" fill="#f4f4f2"/>'
        yield (
            f'<text x="6" y="{y + 15}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11">'
            f"<title>{escape(row.tip)}</title>{escape(_short(row.label, 36))}</text>"
        )
        for lane in row.lanes:
            yield from (_ghost(b, y, chart, cycle) for b in lane if _comes_again(b, chart))
            yield from (_bar(b, y, cycle) for b in lane)
            y += LANE
        y += GAP


def _comes_again(b: Bar, chart: Chart) -> bool:
    """Whether the next iteration's bar begins in the picture."""
    return chart.ii is not None and b.begin + chart.ii < chart.depth


def _ghost(b: Bar, y: int, chart: Chart, cycle: int) -> str:
    """The bar of the next iteration, as far as the picture goes."""
    begin = b.begin + (chart.ii or 0)
    end = min(b.end + (chart.ii or 0), chart.depth)
    x, wide = LABELS + begin * cycle, max((end - begin) * cycle, 2)
    return f'<rect x="{x:.1f}" y="{y + 4}" width="{wide:.1f}" height="{LANE - 2}" rx="2" fill="#ddd"/>'


def _bar(b: Bar, y: int, cycle: int) -> str:
    x, wide = LABELS + b.begin * cycle, max((b.end - b.begin) * cycle, 2)
    tip = f"line {b.span.line}: {b.what}, {b.begin:.2f} to {b.end:.2f} cycles"
    label = _short(b.what, int(wide / 6))
    text = f'<text x="{x + 3:.1f}" y="{y + 16}" font-size="10" fill="#fff">{escape(label)}</text>' if label else ""
    box = f'<rect x="{x:.1f}" y="{y + 3}" width="{wide:.1f}" height="{LANE - 3}" rx="2" fill="{COLOURS[b.kind]}"/>'
    return f"<g><title>{escape(tip)}</title>{box}{text}</g>"


def _short(text: str, most: int) -> str:
    """The text, or its beginning where it is too long; nothing where that would say nothing."""
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…" if most >= 4 else ""
