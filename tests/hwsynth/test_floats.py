"""Floats in hardware: units, and kernels with the bits of the CPU and the interpreter."""

from __future__ import annotations

import math
from typing import Any

import floatwords as bench
import numpy as np
import pytest
from circuits import unit_results
from needs import needs

import gemel as gm
from gemel import bf16, f8e4m3, f16, f32, f64, i8, i32
from gemel.hwsynth import judges
from gemel.hwsynth.floats import operation
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.unitsynth import UNITS
from gemel.semantics import ops
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import F16, F32, F64, DType, FloatType, IntType
from gemel.semantics.ir import Buffer
from gemel.semantics.ops import Op
from gemel.semantics.samples import Spread, random_values
from gemel.semantics.span import BUILTIN

M, N, K = gm.dims("M N K")
CLOCK = Clock(10.0, target("ecp5"))
OPERATORS: list[tuple[Op, DType, DType]] = [
    *((op, F16, F16) for op in (ops.ADD, ops.MUL, ops.FMA, ops.DIV, ops.SQRT, ops.RINT)),
    *((ops.CAST, F32, t) for t in (F16, IntType(16, True))),
    (ops.CAST, IntType(40, True), F32),
]


@pytest.mark.parametrize("op, source, goal", OPERATORS, ids=str)
def test_units_take_operands_in_each_cycle(op: Op, source: DType, goal: DType) -> None:
    rng = np.random.default_rng(1)
    words = zip(*(bench.random_words(source, 40, rng) for _ in range(op.arity)), strict=True)
    rows = [tuple(int(w) for w in row) for row in words]
    unit = UNITS.pipelined(operation(op, source, goal), CLOCK)
    assert unit.latency > 0
    for row, (got,) in zip(rows, unit_results(unit, rows), strict=True):
        values = tuple(from_bits(w, source) for w in row) if isinstance(source, FloatType) else row
        want = op.meaning(goal, (source,) * op.arity, values)
        assert got == (to_bits(want, goal) if isinstance(goal, FloatType) else want), row


@pytest.mark.slow
def test_sines_of_large_numbers_read_the_same_table_four_times() -> None:
    unit = UNITS.pipelined(operation(ops.SIN, F64, F64), CLOCK)
    values = [0.3, 1e6, -1e300, math.inf, math.nan, -0.0]
    expected = [(to_bits(ops.SIN.meaning(F64, (F64,), (x,)), F64),) for x in values]
    assert unit_results(unit, [(to_bits(x, F64),) for x in values]) == expected


@gm.kernel
def gemm(a: f32[M, K], b: f32[K, N]) -> f32[M, N]:
    c = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def axpy(a: bf16, x: bf16[N], y: bf16[N]) -> None:
    for i in range(N):
        y[i] = a * x[i] + y[i]


@gm.kernel
def choices(x: f16[N], y: f16[N]) -> f16[N]:
    z = gm.zeros((N,), f16)
    for i in range(N):
        if x[i] < y[i]:
            z[i] = -gm.minimum(x[i], abs(y[i]))
        else:
            z[i] = gm.where(x[i] == y[i], gm.sqrt(x[i]), x[i] / y[i])
    return z


@gm.kernel
def conversions(x: f32[N], n: i8[N]) -> tuple[i32[N], f8e4m3[N], f64[N]]:
    whole, small, wide = gm.zeros((N,), i32), gm.zeros((N,), f8e4m3), gm.zeros((N,), f64)
    for i in range(N):
        whole[i] = gm.cast(gm.floor(x[i] * 8.0), i32)
        small[i] = gm.cast(x[i], f8e4m3)
        wide[i] = gm.cast(n[i], f64)
    return whole, small, wide


TABLE = np.array([0.5, -1.25, 3.0, np.inf], np.float32)


@gm.kernel
def bits(x: f32[N]) -> f32:
    best: f32 = -1.0
    for i in range(N):
        best = gm.maximum(best, gm.bitcast(gm.bitcast(-x[i], gm.u32) ^ 1, f32) * TABLE[i % 4])
    return best


@gm.kernel
def softmax(x: f32[N]) -> f32[N]:
    top: f32 = x[0]
    for i in range(N):
        top = gm.maximum(top, x[i])
    y = gm.zeros((N,), f32)
    total: f32 = 0.0
    for i in range(N):
        y[i] = gm.exp(x[i] - top)
        total += y[i]
    for i in range(N):
        y[i] = y[i] / total
    return y


def floats(dtype: Any, *shape: int) -> Any:
    """Random values and corners."""
    return random_values(Buffer("x", dtype, (), BUILTIN), shape, np.random.default_rng(3), Spread.CORNERS)


CASES: dict[str, tuple[Any, Any]] = {
    "gemm": (gemm, lambda: (floats(f32, 3, 5), floats(f32, 5, 4))),
    "axpy": (axpy, lambda: (1.5, floats(bf16, 12), floats(bf16, 12))),
    "choices": (choices, lambda: (floats(f16, 16), floats(f16, 16)[::-1].copy())),
    "conversions": (conversions, lambda: (floats(f32, 12), np.arange(-6, 6, dtype=np.int8))),
    "bits": (bits, lambda: (floats(f32, 9),)),
}
LARGE = {
    "softmax": (softmax, lambda: (np.linspace(-3, 3, 6, dtype=np.float32),)),
}
each_case = pytest.mark.parametrize("name", CASES)


def outcome(run: Any, arguments: tuple[Any, ...]) -> list[np.ndarray]:
    result = run(*arguments)
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    found = result if isinstance(result, tuple) else (result,)
    return [np.asarray(x, np.float64) for x in (*arrays, *found) if x is not None]


def same(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


@each_case
def test_kernels_have_the_same_bits_everywhere(name: str) -> None:
    kernel, arguments = CASES[name]
    want = outcome(kernel.interpret, arguments())
    same(outcome(kernel, arguments()), want)
    design = kernel.synth_for(*arguments(), target="ecp5", clock_mhz=100)
    cycles = []

    def simulated(*args: Any) -> Any:
        ran = design.simulate(*args)
        cycles.append(ran.cycles)
        return ran.outputs

    same(outcome(simulated, arguments()), want)
    same(outcome(design.kernel, arguments()), want)
    assert design.cycles in (None, cycles[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gemm", "choices", "softmax"])
def test_other_simulators_and_judges(name: str) -> None:
    needs("verilator", "c++", "icarus")
    kernel, arguments = (CASES | LARGE)[name]
    design = kernel.synth_for(*arguments(), target="ecp5", clock_mhz=100)
    want = outcome(kernel.interpret, arguments())
    for engine in ("verilator", "icarus"):
        same(outcome(lambda *args, e=engine: design.simulate(*args, engine=e).outputs, arguments()), want)
    assert judges.lint_verilator(design.verilog) == ()
    assert judges.lint_icarus(design.verilog) == ()
    assert judges.lint_slang(design.verilog) == ()
