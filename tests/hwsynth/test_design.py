"""Designs as users and hardware teams meet them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i32
from gemel.errors import ToolError
from gemel.hwsynth import synthesize
from gemel.parser import parse

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


def operands(size: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return tuple(rng.integers(-128, 128, (size, size), dtype=np.int8) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_one_multiplication_a_cycle(size: int) -> None:
    design = gemm.synth(M=size, N=size, K=size)
    run = design.simulate(*operands(size))
    np.testing.assert_array_equal(run.outputs, gemm(*operands(size)))
    assert run.cycles == design.cycles
    assert run.cycles <= size**3 + 5


def test_pipelines_have_the_least_interval() -> None:
    report = gemm.synth(M=8, N=8, K=8).report
    assert [(r.name, r.trips, r.ii) for r in report.loops] == [("i, j, k", 512, 1)]


def test_a_recurrence_through_memory_is_named() -> None:
    @gm.kernel
    def histogram(values: gm.UInt(4)[N]) -> i32[16]:
        bins = gm.zeros((16,), i32)
        for i in range(N):
            bins[values[i]] += 1
        return bins

    loop = histogram.synth(N=10).report.loops[-1]
    assert loop.ii == 2
    assert "bins" in loop.bound


def test_a_faster_clock_takes_more_cycles_and_the_same_values() -> None:
    cycles = []
    for mhz in (25, 100, 140):
        design = gemm.synth(M=4, N=4, K=4, clock_mhz=mhz)
        run = design.simulate(*operands(4))
        np.testing.assert_array_equal(run.outputs, gemm(*operands(4)))
        assert run.cycles == design.cycles
        cycles.append(run.cycles)
    assert cycles == sorted(cycles)


NEVER_ENTERED = """
kernel k(a: index[1]) -> (r: index[]) {
  alloc most: index[]
  most[] = 0
  r[] = 7
  for i in 0 .. 3 {
    for j in 0 .. most[] {
      for k in 0 .. a[0] {
        a[0] = 1
      }
    }
  }
  for l in 0 .. 3 {
    for m in 0 .. most[] {
      r[] = m
    }
    r[] = r[] + 1
  }
}
"""


def test_a_loop_that_turns_out_empty_takes_the_cycles_that_are_told() -> None:
    design = synthesize(parse(NEVER_ENTERED))
    run = design.simulate(np.array([4]))
    assert run.outputs == 10
    assert run.cycles == design.cycles is not None


def test_a_kernel_without_work_is_done_when_told() -> None:
    design = synthesize(parse("kernel k(a: index[1]) { }"))
    assert design.simulate(np.array([4])).cycles == design.cycles == 2


def test_a_place_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolError) as caught:
        gemm.synth(M=2, N=2, K=2).write(tmp_path / "file" / "out")
    assert caught.value.code == "X02"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_wave_has_the_source_names(tmp_path: Path) -> None:
    path = tmp_path / "run.vcd"
    run = gemm.synth(M=2, N=2, K=2).wave(path, *operands(2))
    text = path.read_text()
    np.testing.assert_array_equal(run.outputs, gemm(*operands(2)))
    for name in ("clk", "start", "done", "A_raddr", "C_wdata"):
        assert f" {name} " in text


def test_verilog_is_the_same_each_time() -> None:
    assert gemm.synth(M=4, N=4, K=4).verilog == gemm.synth(M=4, N=4, K=4).verilog


def test_design_shows_itself() -> None:
    design = gemm.synth(M=8, N=8, K=8)
    assert "cycles at 100 MHz on ecp5" in repr(design)
    assert "II" in str(design.report) and "<svg" in design._repr_html_()


def test_the_design_s_kernel_rounds_on_the_cpu_as_the_hardware_does() -> None:
    @gm.kernel
    def weighted(A: f32[M, N], x: f32[N], y: f32[N]):
        for i in range(M):
            t: f32 = 0.0
            for j in range(N):
                t += A[i, j] * x[j]
            for j in range(N):
                y[j] += A[i, j] * t

    rng = np.random.default_rng(4)
    a, x, y = (rng.standard_normal(s, dtype=np.float32) for s in ((5, 40), 40, 40))
    design = weighted.synth_for(a, x, y, target="xilinx7")
    simulated, computed = y.copy(), y.copy()
    design.simulate(a, x, simulated)
    design.kernel(a, x, computed)
    assert simulated.tobytes() == computed.tobytes()
