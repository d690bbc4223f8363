"""A run as a picture: a bar for each workload, how much longer the best peer takes than Gemel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gemel.bench.record import Row

WIDTH, LEFT, RIGHT, BAR, TOP = 860, 190, 170, 16, 76
TICKS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32)
COLOURS = (("#2a7f62", 1.0), ("#c9a227", 0.9), ("#b23a48", 0.0))


@dataclass(frozen=True)
class Bar:
    """A bar: what it is called, how far it goes, what stands at its end."""

    label: str
    ratio: float
    told: str


def svg(data: Mapping[str, Any]) -> str:
    """The picture of a record."""
    return bars("Time of the best peer over Gemel's", _where(data), [_of_row(r) for r in data["rows"] if "best" in r])


def bars(title: str, where: str, rows: Sequence[Bar]) -> str:
    """A picture of ratios, to both sides of 1."""
    low = min([0.5, *(r.ratio for r in rows)])
    high = max([2.0, *(r.ratio for r in rows)])
    scale = Scale(math.log2(low) - 0.2, math.log2(high) + 0.2)
    height = TOP + BAR * len(rows) + 30
    parts = [*_head(title, where, height), *_ticks(scale, height)]
    for n, r in enumerate(rows):
        parts += _bar(scale, TOP + n * BAR, r)
    return "\n".join((*parts, "</svg>\n"))


class Scale:
    """Ratios to places, by their logarithm."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def at(self, ratio: float) -> float:
        """Where a ratio lies."""
        return LEFT + (math.log2(ratio) - self.low) / (self.high - self.low) * (WIDTH - LEFT - RIGHT)

    def holds(self, ratio: float) -> bool:
        """Whether a ratio is in the picture."""
        return self.low <= math.log2(ratio) <= self.high


def _where(data: Mapping[str, Any]) -> str:
    m, plan, load = data["machine"], data["settings"], data["load"]
    return (
        f"{m['cpu']}, {plan['threads']} thread(s), {plan['clock']} time, load {load['start'][0]}, {data['date'][:10]}"
    )


def _head(title: str, where: str, height: int) -> list[str]:
    style = "font-family='system-ui, sans-serif' font-size='11'"
    return [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' {style}>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<text x='12' y='22' font-size='15' font-weight='bold'>{escape(title)}</text>",
        f"<text x='12' y='40' fill='#555555'>{escape(where)}</text>",
    ]


def _ticks(scale: Scale, height: int) -> list[str]:
    parts = []
    for tick in filter(scale.holds, TICKS):
        x, strong = scale.at(tick), tick == 1
        label = f"{tick:g}" if tick >= 1 else f"1/{round(1 / tick)}"
        line = "stroke='#333333'" if strong else "stroke='#dddddd'"
        parts.append(f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP - 6}' y2='{height - 24}' {line}/>")
        parts.append(f"<text x='{x:.1f}' y='{TOP - 10}' text-anchor='middle' fill='#555555'>{label}</text>")
    return parts


def _of_row(r: Row) -> Bar:
    ratio = r["best"]["ratio"]
    told = f"{ratio:.2f} ({r['best']['peer']})" + (f", {r['reached']:.0%} of the roof" if "reached" in r else "")
    return Bar(r["workload"], ratio, told)


def _bar(scale: Scale, y: int, r: Bar) -> list[str]:
    colour = next(c for c, least in COLOURS if r.ratio >= least)
    a, b = sorted((scale.at(1), scale.at(r.ratio)))
    return [
        f"<text x='{LEFT - 8}' y='{y + 12}' text-anchor='end'>{escape(r.label)}</text>",
        f"<rect x='{a:.1f}' y='{y + 2}' width='{max(b - a, 1):.1f}' height='{BAR - 4}' fill='{colour}'/>",
        f"<text x='{max(b, scale.at(1)) + 5:.1f}' y='{y + 12}' fill='#333333'>{escape(r.told)}</text>",
    ]
