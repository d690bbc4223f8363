"""Reports: what bounds an interval link by link, schedules as pictures, one page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gemel as gm
from gemel import f32, i32
from gemel.errors import ToolError
from gemel.hwsynth import Design
from gemel.hwsynth.charts import Bar, Chart
from gemel.hwsynth.estimate import Estimate
from gemel.hwsynth.estimate.words import RULES
from gemel.hwsynth.netlist import NETLIST_OPS
from gemel.hwsynth.reporting.gantt import LABELS, MOST, gantt
from gemel.hwsynth.reporting.page import page
from gemel.semantics.span import Span

SVG = "{http://www.w3.org/2000/svg}"


@gm.kernel
def product(A: i32[4, 4], B: i32[4, 4]) -> i32[4, 4]:
    C = gm.zeros((4, 4), i32)
    for i, j, k in gm.grid(4, 4, 4):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def horner(x: i32[16], y: i32) -> i32:
    total: i32 = 1
    for i in range(16):
        total = total * y + x[i]
    return total


@gm.kernel
def ends(x: i32[32]) -> i32[30]:
    out = gm.zeros((30,), i32)
    for i in range(30):
        out[i] = x[i] + x[31 - i]
    return out


@gm.kernel
def highest(x: f32[16]) -> f32:
    top: f32 = 0.0
    for i in range(16):
        top = max(top, x[i])
    return top


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.strip() == text)


def test_what_a_float_operator_is_made_of_stands_for_its_line() -> None:
    (row,) = highest.synth().report.loops
    lines = [s.span.line for s in row.chain]
    assert line_of("top = max(top, x[i])") in lines and 0 not in lines


@pytest.mark.parametrize(("period", "short"), [(12.5, True), (10.0, False)])
def test_a_clock_that_the_estimate_falls_short_of_is_told(period: float, short: bool) -> None:
    report = replace(horner.synth().report, estimated=lambda: Estimate({}, {}, period))
    assert ("less than the 100 asked for" in "".join(report.headlines())) is short


def test_a_recurrence_is_told_link_by_link() -> None:
    (row,) = [r for r in horner.synth(clock_mhz=140).report.loops if r.chain]
    assert row.ii is not None and row.ii > 1
    assert row.chain[0].what == "total of the iteration before"
    assert row.chain[-1].what == "update of the carried value"
    assert any("multiply" in s.what or "mul" in s.what for s in row.chain)
    add = next(s for s in row.chain if s.what.startswith("add"))
    assert (add.span.line, add.ns > 0) == (line_of("total = total * y + x[i]"), True)


def test_the_accesses_of_a_port_conflict_are_told() -> None:
    report = ends.synth().report
    (row,) = report.loops
    assert row.ii == 2
    assert [s.what for s in row.chain] == ["read of x", "read of x"]
    assert {s.span.line for s in row.chain} == {line_of("out[i] = x[i] + x[31 - i]")}
    assert "read of x: 1 cycle" in str(report)


def bars_of(design: Design, kind: str) -> list[Bar]:
    return [b for c in design.report.charts for b in c.bars if b.kind == kind]


def test_charts_have_the_times_of_the_schedule() -> None:
    design = product.synth()
    (chart,) = [c for c in design.report.charts if c.ii == 1]
    (row,) = design.report.loops
    assert chart.depth <= row.depth  # control may add a stage
    assert all(0 <= b.begin <= b.end <= chart.depth for b in chart.bars)
    reads, (write,) = bars_of(design, "load"), bars_of(design, "store")
    assert {b.what for b in reads} == {"read of A", "read of B"}
    assert write.what == "write of C" and write.end == int(write.end)
    assert all(b.end <= write.end for b in chart.bars)


def test_pictures_are_well_formed_and_to_scale() -> None:
    here = Span(__file__, 1, 1, 1, 2)
    bars = (Bar("read of <x>", "load", here, 0.0, 1.25), Bar("add", "operator", here, 1.25, 1.5))
    tree = ElementTree.fromstring(gantt(Chart("a < b", here, 1, 4, 10.0, bars)))
    boxes = [g.find(f"{SVG}rect") for g in tree.iter(f"{SVG}g")]
    found = [(float(b.attrib["x"]), float(b.attrib["width"])) for b in boxes if b is not None]
    cycle = found[0][1] / 1.25
    assert found[1] == pytest.approx((LABELS + 1.25 * cycle, 0.25 * cycle))
    ghosts = [r for r in tree.iter(f"{SVG}rect") if r.attrib["fill"] == "#ddd"]
    assert [float(r.attrib["x"]) for r in ghosts] == pytest.approx([LABELS + cycle, LABELS + 2.25 * cycle])


def test_large_regions_are_shown_in_part() -> None:
    bars = tuple(Bar("add", "operator", Span(__file__, 1, 1, 1, 2), 0.5, 0.9) for _ in range(MOST + 50))
    picture = gantt(Chart("many", bars[0].span, None, 1, 10.0, bars))
    assert picture.count("<g>") == MOST


def test_a_page_needs_nothing_else(tmp_path: Path) -> None:
    report = product.synth().report
    text = report.save(tmp_path / "x.html").read_text(encoding="utf-8")
    assert text == page(report)
    assert not re.search(r"<script|<link|src=|url\(|@import", text)
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    for part in ("<h2>loops</h2>", "<h2>memories</h2>", "<h2>schedule</h2>", "C[i, j] += A[i, k]", "<svg"):
        assert part in text
    assert report._repr_html_() in text


def test_a_page_that_can_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="choose another place"):
        product.synth().report.save(tmp_path / "nowhere" / "x.html")
    assert list(tmp_path.iterdir()) == []


@gm.kernel
def turned(x: i32[1024]) -> i32[1024]:
    whole = gm.zeros((1024,), i32)
    few = gm.zeros((40,), i32)
    out = gm.empty((1024,), i32)
    for i in range(1024):
        whole[i] = x[i] + 1
        few[i % 40] = x[i]
    for i in range(1024):
        out[i] = whole[1023 - i] + few[i % 40] + whole[7 * i % 1024]
    return out


@pytest.mark.parametrize(
    "target, found",
    {
        "ecp5": {"whole": "4 block RAMs of 18 Kbit", "few": "1 block RAM of 18 Kbit"},
        "xcup": {"whole": "4 block RAMs of 18 Kbit", "few": "RAM in tables"},
        "ice40": {"whole": "16 block RAMs of 4 Kbit", "few": "2 block RAMs of 4 Kbit"},
        "osu018": {"whole": "registers", "few": "registers"},
    }.items(),
)
def test_the_report_says_what_each_memory_is_made_of(target: str, found: dict[str, str]) -> None:
    report = turned.synth(target=target).report
    assert {m.name: m.made_of for m in report.memories} == {"x": "", "out": "", **found}
    assert all(words in str(report) for words in ("memory", *found.values()))
    assert f"{(1024 + 40) * 32:,} memory bits inside" in str(report)


def test_block_ram_that_is_a_cell_counts_as_memory() -> None:
    estimate = turned.synth(target="ecp5", clock_mhz=150).report.estimate
    assert estimate.by_kind["memories"]["block"] == 5
    assert "block" not in estimate.by_kind["multipliers"]


def test_each_op_of_a_netlist_is_estimated() -> None:
    """Registers keep ops that the text spells out: the size of a signed dividend goes into a register."""
    assert RULES.keys() >= NETLIST_OPS

    @gm.kernel
    def rest(a: i32, b: i32) -> i32:
        x, y = a, b
        while y != 0:
            x, y = y, x % y
        return x

    assert rest.synth().report.estimate.resources["lut"] > 100
