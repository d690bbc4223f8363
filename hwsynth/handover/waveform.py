"""A timing diagram of a run as SVG: clock, handshake, and the ports of the memories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.trace import Trace

CYCLE, ROW, HIGH, LEFT, GAP = 62, 30, 18, 120, 26
"""Widths and heights in pixels: a cycle, a row, a signal, the column of names, a break between cycles."""

_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b1f24}.v{font-size:10.5px;text-anchor:middle}"
    ".n{text-anchor:end}.g{fill:#6a737d;font-size:10px;text-anchor:middle}.l{fill:none;stroke:#1f5fa8;stroke-width:1.5}"
    ".b{fill:#eaf2fb;stroke:#1f5fa8;stroke-width:1.2}.x{fill:#eceef0}.t{stroke:#d5d9de;stroke-width:1}"
)


@dataclass(frozen=True)
class Lane:
    """A signal: its values in the shown cycles, None where nobody may look; one bit or a word."""

    name: str
    values: tuple[int | None, ...]
    bit: bool


def lanes(interface: Interface, trace: Trace) -> list[Lane]:
    """What is worth showing: handshake, scalars with start, results from done on, memory ports while they are used."""
    rows = [row for _, row in trace.cycles]
    done, busy, start = interface.ports["done"], interface.ports["busy"], interface.start
    found = [Lane(n, tuple(r[n] for r in rows), True) for n in (start, busy, done)]
    for port in interface.scalars.values():
        found.append(Lane(port, tuple(r.get(port) for r in rows), False))
    for m in interface.memories:
        for p in m.reads:
            asked = [bool(r[p.enable]) for r in rows]
            found.append(Lane(p.enable, tuple(r[p.enable] for r in rows), True))
            found.append(Lane(p.address, _where(rows, p.address, asked), False))
            found.append(Lane(p.data, _where(rows, p.data, _one_later(trace, asked)), False))
        for p in m.writes:
            found.append(Lane(p.enable, tuple(r[p.enable] for r in rows), True))
            for n in (p.address, p.data):
                found.append(Lane(n, _where(rows, n, [bool(r[p.enable]) for r in rows]), False))
    ended = [any(r[done] for r in rows[: k + 1]) for k in range(len(rows))]
    found += [Lane(n, _where(rows, n, ended), False) for n in interface.results.values()]
    return found


def _where(rows: Sequence[dict[str, int]], name: str, shown: Sequence[bool]) -> tuple[int | None, ...]:
    return tuple(r[name] if s else None for r, s in zip(rows, shown, strict=True))


def _one_later(trace: Trace, asked: Sequence[bool]) -> list[bool]:
    """Whether the cycle before asked for a word; unknown after a break."""
    at = [n for n, _ in trace.cycles]
    return [k > 0 and at[k] == at[k - 1] + 1 and asked[k - 1] for k in range(len(asked))]


def picture(interface: Interface, trace: Trace) -> str:
    """The diagram as a self-contained SVG."""
    return "\n".join(_Picture(trace, lanes(interface, trace)).lines()) + "\n"


class _Picture:
    def __init__(self, trace: Trace, shown: Sequence[Lane]) -> None:
        self.cycles, self.lanes = [n for n, _ in trace.cycles], shown
        self.left = [LEFT]
        for before, now in zip(self.cycles, (*self.cycles[1:], self.cycles[-1] + 1), strict=True):
            self.left.append(self.left[-1] + CYCLE + (0 if now == before + 1 else GAP))

    def x(self, k: int) -> int:
        """Where a shown cycle begins."""
        return self.left[k]

    def lines(self) -> Iterator[str]:
        width, height = self.left[-1] + 10, 24 + ROW * (len(self.lanes) + 1)
        size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        yield f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        yield f"<style>{_STYLE}</style>"
        yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        for k, n in enumerate(self.cycles):
            yield f'<line class="t" x1="{self.x(k)}" y1="20" x2="{self.x(k)}" y2="{height - 4}"/>'
            if n >= 0:
                yield f'<text class="g" x="{self.x(k) + CYCLE // 2}" y="14">{n}</text>'
        yield from self.clock(24)
        for row, lane in enumerate(self.lanes, 1):
            y = 24 + ROW * row
            yield f'<text class="n" x="{LEFT - 10}" y="{y + HIGH - 4}">{escape(lane.name)}</text>'
            yield from self.bits(lane, y) if lane.bit else self.words(lane, y)
        yield from self.breaks(height)
        yield "</svg>"

    def clock(self, y: int) -> Iterator[str]:
        yield f'<text class="n" x="{LEFT - 10}" y="{y + HIGH - 4}">clk</text>'
        for k in range(len(self.cycles)):
            x, half = self.x(k), CYCLE // 2
            path = f"M{x} {y + HIGH}V{y}H{x + half}V{y + HIGH}H{self.x(k + 1)}"
            yield f'<path class="l" d="{path}"/>'

    def bits(self, lane: Lane, y: int) -> Iterator[str]:
        levels = [y if v else y + HIGH for v in lane.values]
        path = f"M{self.x(0)} {levels[0]}" + "".join(f"V{level}H{self.x(k + 1)}" for k, level in enumerate(levels))
        yield f'<path class="l" d="{path}"/>'

    def words(self, lane: Lane, y: int) -> Iterator[str]:
        k = 0
        while k < len(lane.values):
            end = k + 1
            while end < len(lane.values) and lane.values[end] == lane.values[k] and self.joined(end):
                end += 1
            yield from self.word(lane.values[k], self.x(k), self.right(end - 1), y)
            k = end

    def joined(self, k: int) -> bool:
        """Whether a shown cycle follows the one before."""
        return self.cycles[k] == self.cycles[k - 1] + 1

    def right(self, k: int) -> int:
        """Where a shown cycle ends."""
        return self.x(k) + CYCLE

    def word(self, value: int | None, left: int, right: int, y: int) -> Iterator[str]:
        if value is None:
            yield f'<rect class="x" x="{left}" y="{y + 5}" width="{right - left}" height="{HIGH - 10}"/>'
            return
        middle, low, inner, outer = y + HIGH // 2, y + HIGH, left + 4, right - 4
        shape = f"{left},{middle} {inner},{y} {outer},{y} {right},{middle} {outer},{low} {inner},{low}"
        yield f'<polygon class="b" points="{shape}"/>'
        yield f'<text class="v" x="{(left + right) // 2}" y="{y + HIGH - 5}">{value:x}</text>'

    def breaks(self, height: int) -> Iterator[str]:
        for k in range(1, len(self.cycles)):
            if not self.joined(k):
                x = self.right(k - 1)
                yield f'<rect x="{x}" y="18" width="{GAP}" height="{height - 20}" fill="#ffffff"/>'
                yield f'<text class="g" x="{x + GAP // 2}" y="{height // 2}">...</text>'
