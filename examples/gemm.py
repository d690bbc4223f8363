"""Matrix product: i8 with i32 sums on the CPU and as RTL, and f32 on the CPU.

Run with `python examples/gemm.py`.
"""

from __future__ import annotations

import time

import numpy as np

import gemel as gm
from gemel import f32, i8, i32

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm_i8(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def gemm_f32(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


def integers_as_hardware(size: int = 8) -> None:
    """Runs an i8 product on the CPU and as simulated RTL and compares the two bit for bit."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-128, 128, (size, size), dtype=np.int8) for _ in range(2))
    design = gemm_i8.synth(M=size, N=size, K=size, target="ecp5", clock_mhz=100)
    run = design.simulate(a, b)
    same = np.array_equal(run.outputs, gemm_i8(a, b)) and np.array_equal(run.outputs, a.astype(np.int32) @ b)
    cycles = f"{run.cycles} cycles (predicted {design.cycles})"
    print(f"i8 {size}x{size}x{size} as RTL: {cycles}, equal to CPU and NumPy: {same}")


def floats_on_the_cpu(size: int = 512) -> None:
    """Times an f32 product against NumPy's."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    gemm_f32(a, b)
    times = []
    for product in (gemm_f32, np.matmul):
        start = time.perf_counter()
        product(a, b)
        times.append(time.perf_counter() - start)
    error = np.abs(gemm_f32(a, b) - a @ b).max()
    print(f"f32 {size}: {times[0] * 1e3:.1f} ms, NumPy {times[1] * 1e3:.1f} ms, largest difference {error:.1e}")


if __name__ == "__main__":
    integers_as_hardware()
    floats_on_the_cpu()
