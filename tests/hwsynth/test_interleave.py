"""Sums of floats at an interval of 1: nests turned, sums parted, and what is left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f16, f32, i32

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm(a: f32[M, K], b: f32[K, N]) -> f32[M, N]:
    c = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        c[i, j] += a[i, k] * b[k, j]
    return c


@gm.kernel
def scaled(alpha: f32, a: f32[M, K], b: f32[K, N], c: f32[M, N]) -> None:
    for i in range(M):
        for j in range(N):
            c[i, j] *= 0.5
            for k in range(K):
                c[i, j] += alpha * a[i, k] * b[k, j]
            c[i, j] = c[i, j] * 2.0


@gm.kernel
def fir(x: f16[N], w: f16[4]) -> f16[N]:
    y = gm.zeros((N,), f16)
    for i in range(N - 3):
        acc: f16 = 0.0
        for k in range(4):
            acc += x[i + k] * w[k]
        y[i] = acc * 2.0
    return y


@gm.kernel
def dot(x: f32[N], y: f32[N]) -> f32:
    s: f32 = 1.0
    for i in range(N):
        s += x[i] * y[i]
    return s


@gm.kernel(fp="strict")
def ordered(x: f32[N], y: f32[N]) -> f32:
    s: f32 = 1.0
    for i in range(N):
        s += x[i] * y[i]
    return s


@gm.kernel
def rows(a: f32[M, N], x: f32[N], y: f32[M]) -> None:
    for i in range(M):
        for j in range(N):
            y[i] += a[i, j] * x[j]


@gm.kernel
def moments(x: f32[N]) -> tuple[f32, f32, f32[N]]:
    s: f32 = 0.0
    p: f32 = 1.0
    z = gm.zeros((N,), f32)
    for i in range(1, N, 2):
        z[i] = x[i] + 1.0
        s += z[i]
        p *= x[i]
    return s, p, z


@gm.kernel
def along(x: f32[M, N]) -> None:
    for i in range(1, M):
        for k in range(N):
            x[i, 0] += x[i - 1, k]


@gm.kernel
def prefix(x: f32[N]) -> f32[N]:
    y = gm.zeros((N,), f32)
    s: f32 = 0.0
    for i in range(N):
        s += x[i]
        y[i] = s
    return y


@gm.kernel
def counted(x: i32[N]) -> i32:
    s: i32 = 0
    for i in range(N):
        s += x[i]
    return s


def random(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


def outcome(run: Any, arguments: tuple[Any, ...]) -> list[bytes]:
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    result = run(*own)
    found = result if isinstance(result, tuple) else (result,)
    return [np.asarray(x).tobytes() for x in (*(a for a in own if isinstance(a, np.ndarray)), *found)]


def built(kernel: Any, *arguments: Any) -> tuple[Any, list[int | None], bool]:
    """A design whose simulation has the bits of its kernel, its intervals, and whether they are the source's too."""
    design = kernel.synth_for(*arguments, target="ecp5", clock_mhz=100)
    cycles = []

    def simulated(*args: Any) -> Any:
        ran = design.simulate(*args)
        cycles.append(ran.cycles)
        return ran.outputs

    got = outcome(simulated, arguments)
    assert got == outcome(design.kernel, arguments) == outcome(design.kernel.interpret, arguments)
    assert design.cycles == cycles[0]
    intervals = [loop.ii for loop in design.report.loops]
    return design, intervals, got == outcome(kernel.interpret, arguments)


@pytest.mark.parametrize("m, n", [(3, 12), (4, 4)])
def test_a_nest_turns_around_its_elements(m: int, n: int) -> None:
    design, intervals, same = built(gemm, random(m, 5), random(5, n))
    assert intervals == [1] and same
    assert design.cycles < m * n * 5 + 25


@pytest.mark.parametrize("lanes", [3, 4])
def test_lanes_over_banks(lanes: int) -> None:
    steps = gemm.schedule(M=6, N=2 * lanes, K=10).split("j_1", lanes).reorder("j_1_o", "k", "j_1_i").unroll("j_1_i")
    kernel = steps.partition("b", 1, lanes, "cyclic").partition("c", 1, lanes, "cyclic").kernel
    design, intervals, same = built(kernel, random(6, 10), random(10, 2 * lanes))
    assert intervals == [1, 1] and same
    assert [row.instances for row in design.report.units] == [lanes, lanes]


def test_what_is_before_and_behind_a_sum_joins_it() -> None:
    _, intervals, same = built(scaled, 1.5, random(3, 4), random(4, 10), random(3, 10))
    assert intervals == [1] and same


def test_a_variable_becomes_an_array() -> None:
    design, intervals, same = built(fir, random(20, dtype=np.float16), random(4, dtype=np.float16))
    assert intervals[-1] == 1 and same
    assert "acc: f16[17]" in str(design.kernel.ir)


@pytest.mark.parametrize("n", [64, 67, 13])
def test_a_sum_is_parted(n: int) -> None:
    design, intervals, _ = built(dot, random(n), random(n))
    assert intervals == [1]
    assert design.cycles < 6 * n + 8  # of one adder that waits for itself
    got = design.simulate(random(n), random(n)).outputs
    assert got == pytest.approx(1 + float(np.sum(random(n).astype(np.float64) ** 2)), rel=1e-5)


def test_where_the_order_is_asked_for_the_adder_is_waited_for() -> None:
    design, intervals, same = built(ordered, random(32), random(32))
    assert intervals[0] is not None and intervals[0] > 4 and same
    assert "needed in the next iteration" in str(design.report)


def test_sums_of_rows() -> None:
    _, wide, _ = built(rows, random(3, 30), random(30), random(3))
    _, tall, same = built(rows, random(30, 3), random(3), random(30))
    assert wide[-1] == 1 and tall == [1] and same


def test_several_sums_and_other_statements() -> None:
    _, intervals, _ = built(moments, 1 + random(80) / 16)
    assert intervals[-1] == 1


@pytest.mark.parametrize("kernel, arguments", [(along, (random(4, 12),)), (prefix, (random(20),))])
def test_what_depends_on_the_order_stays(kernel: Any, arguments: Any) -> None:
    _, _, same = built(kernel, *arguments)
    assert same


def test_integers_need_no_turns() -> None:
    design, intervals, same = built(counted, np.arange(20, dtype=np.int32))
    assert intervals == [1] and same and "turn" not in str(design.kernel.ir)
