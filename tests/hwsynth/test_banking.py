"""Arrays spread over memories: asked for by a schedule, or chosen from what loops access."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from needs import needs

import gemel as gm
from gemel import i32
from gemel.hwsynth import tools
from gemel.hwsynth.banking import Layout
from gemel.hwsynth.pipeline import HARDWARE, SCHEDULE
from gemel.hwsynth.placement import on_banks
from gemel.parser import parse
from gemel.semantics.pipeline import run

ROWS, COLUMNS = 10, 7


@gm.kernel
def blur(A: i32[ROWS, COLUMNS], x: i32[ROWS]) -> i32[ROWS, COLUMNS]:
    B = gm.empty((ROWS, COLUMNS), i32)
    C = gm.zeros((ROWS, COLUMNS), i32)
    for i, j in gm.grid(ROWS, COLUMNS):
        B[i, j] = A[i, j] * 2
    for i in range(1, ROWS - 1):
        for j in range(COLUMNS):
            C[i, j] = B[i - 1, j] + B[i, j] + B[i + 1, j] + x[i]
    x[3] += C[2, 2]
    return C


def arguments() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    return rng.integers(-99, 99, (ROWS, COLUMNS), dtype=np.int32), rng.integers(-99, 99, ROWS, dtype=np.int32)


PARTITIONS = {
    "cyclic": [("A", 0, 3, "cyclic")],
    "block": [("A", 1, 2, "block"), ("C", 0, 4, "block")],
    "words": [("x", 0, 0, "complete")],
    "rows": [("C", 0, 0, "complete"), ("C", 1, 3, "cyclic")],
    "inside": [("B", 1, 0, "complete"), ("A", 0, 4, "cyclic")],
}


@pytest.mark.parametrize("name", PARTITIONS)
def test_partitioned_arrays_hold_the_same_values(name: str) -> None:
    steps = blur.schedule()
    for asked in PARTITIONS[name]:
        steps = steps.partition(*asked)
    (a, x), (_, own) = arguments(), arguments()
    want = blur(a, own)
    design = steps.kernel.synth()
    result = design.simulate(a, x)
    np.testing.assert_array_equal(result.outputs, want)
    np.testing.assert_array_equal(x, own)
    assert result.cycles == design.cycles
    scheduled = run(steps.kernel.ir, SCHEDULE, "schedule")
    again = arguments()[1]
    np.testing.assert_array_equal(on_banks(scheduled, run(scheduled, HARDWARE, "hardware"))(a, again), want)
    np.testing.assert_array_equal(again, own)


def test_a_bank_has_ports_of_its_own() -> None:
    text = blur.schedule().partition("A", 0, 2).kernel.synth().verilog
    assert all(port in text for port in ("A_b0_raddr", "A_b1_rdata", "C_waddr"))
    assert "A_raddr" not in text


def test_the_report_maps_memories() -> None:
    report = blur.schedule().partition("A", 0, 3).partition("C", 1, 4, "block").kernel.synth().report
    holds = {m.name: m.holds for m in report.memories}
    assert holds["A_b2"] == "A[i, j] where i % 3 = 2"
    assert holds["C_b1"] == "C[i, j] where j // 2 = 1"
    assert holds["x"] == ""
    assert holds["B_b0"] == "B[i, j] where i % 3 = 0" and "i % 3 = 0" in str(report)


def test_words_in_banks_are_in_the_order_that_is_told() -> None:
    k = parse("kernel k(a: u8[5, 4] banks(0, 2, cyclic) banks(1, 2, block), b: u8[3, 4] banks(1, 2, skewed, 1, 1)) { }")
    a, b = (Layout(p, True) for p in k.params)
    words = {n: p.tolist() for n, p in zip(a.numbers, a.places, strict=True)}
    assert words[0, 1] == [2, 3, 10, 11, 18, 19]
    assert words[1, 0] == [4, 5, 12, 13, -1, -1]
    assert [p.tolist() for p in b.places] == [[0, 2, 5, 7, 8, 10], [1, 3, 4, 6, 9, 11]]
    assert str(parse(str(k))) == str(k)


def test_the_testbench_of_banks_passes(tmp_path: Path) -> None:
    needs("icarus")
    steps = blur.schedule().partition("A", 0, 3).partition("C", 1, 4, "block").partition("x", 0, 3)
    folder = steps.kernel.synth().write(tmp_path / "out")
    compiler, runner = tools.icarus()
    subprocess.run([compiler, "-g2012", "-o", "tb/tb", "rtl/blur.sv", "tb/blur_tb.sv"], cwd=folder, check=True)
    done = subprocess.run([runner, "-n", "tb"], cwd=folder / "tb", check=True, capture_output=True, text=True)
    assert done.stdout.startswith("PASS blur:")
    sheet = (folder / "datasheet.md").read_text()
    assert "`A[i, j]` where `i mod 3 = 1` | `7*(i / 3) + j` |" in sheet
    assert "`C[i, j]` where `j / 2 = 3` | `2*i + (j mod 2)` |" in sheet


def test_local_arrays_get_the_banks_that_a_loop_needs() -> None:
    report = blur.synth().report
    assert [r.ii for r in report.loops] == [1, 1]
    assert [m.name for m in report.memories if not m.external] == ["B_b0", "B_b1", "B_b2"]


@gm.kernel
def product(a: i32[8, 8], b: i32[8, 8]) -> i32[8, 8]:
    x, y, z = gm.empty((8, 8), i32), gm.empty((8, 8), i32), gm.empty((8, 8), i32)
    c = gm.empty((8, 8), i32)
    for i, j in gm.grid(8, 8):
        x[i, j] = a[i, j]
        y[i, j] = b[i, j]
    for i, j in gm.grid(4, 4):
        corners = [(2 * i + m, 2 * j + n) for m in (0, 1) for n in (0, 1)]
        for p, q in corners:
            z[p, q] = 0
        for k in range(4):
            for p, q in corners:
                z[p, q] += x[p, 2 * k] * y[2 * k, q] + x[p, 2 * k + 1] * y[2 * k + 1, q]
    for i, j in gm.grid(8, 8):
        c[i, j] = z[i, j]
    return c


def test_unrolled_products_run_at_full_speed() -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.integers(-9, 9, (8, 8), dtype=np.int32) for _ in range(2))
    design = product.synth(target="xilinx7")
    result = design.simulate(a, b)
    np.testing.assert_array_equal(result.outputs, a @ b)
    assert result.cycles == design.cycles
    assert {r.ii for r in design.report.loops} == {1}


def test_a_diagonal_needs_skewed_banks() -> None:
    @gm.kernel
    def cross(a: i32[8, 8]) -> i32[8, 8]:
        b, c = gm.empty((8, 8), i32), gm.zeros((8, 8), i32)
        for i, j in gm.grid(8, 8):
            b[i, j] = a[i, j]
        for i in range(1, 7):
            for j in range(1, 7):
                c[i, j] = b[i, j] + b[i - 1, j] + b[i + 1, j] + b[i, j - 1] + b[i, j + 1]
        return c

    design = cross.synth()
    a = np.arange(64, dtype=np.int32).reshape(8, 8) ** 2
    np.testing.assert_array_equal(design.simulate(a).outputs, cross(a))
    assert {r.ii for r in design.report.loops} == {1}
    assert sum("_b" in m.name for m in design.report.memories) == 5


def test_tiles_that_dont_divide_the_sizes_begin_each_cycle() -> None:
    m, n, depth, rows, columns = 10, 14, 4, 3, 2

    @gm.kernel
    def tiles(a: i32[m, depth], b: i32[depth, n]) -> i32[m, n]:
        c = gm.empty((m, n), i32)
        sums = gm.empty((rows, n), i32)
        for tile in range(-(-m // rows)):
            for k in range(depth):
                for part in range(n // columns):
                    for u, v in [(u, v) for u in range(rows) for v in range(columns)]:
                        x = a[rows * tile + u, k] if rows * tile + u < m else i32(0)
                        old = sums[u, columns * part + v] if k > 0 else i32(0)
                        new = gm.cast(old + x * b[k, columns * part + v], i32)
                        sums[u, columns * part + v] = new
                        if k == depth - 1 and rows * tile + u < m:
                            c[rows * tile + u, columns * part + v] = new
        return c

    steps = tiles.schedule().partition("a", 0, rows).partition("b", 1, columns)
    design = steps.partition("c", 0, rows).partition("c", 1, columns).kernel.synth(target="xilinx7")
    (loop,) = design.report.loops
    assert (loop.trips, loop.ii) == (4 * depth * n // columns, 1)
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-9, 9, s, dtype=np.int32) for s in ((m, depth), (depth, n)))
    result = design.simulate(a, b)
    np.testing.assert_array_equal(result.outputs, a @ b)
    assert result.cycles == design.cycles
