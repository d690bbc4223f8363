"""Columns that lie side by side are stored as rows: the same elements, no scatter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32

M, N, C, K, H, W = gm.dims("M N C K H W")


@gm.kernel
def turned(x: f32[M, N]) -> f32[N, M]:
    y = gm.empty((N, M), f32)
    for i, j in gm.grid(M, N):
        y[j, i] = x[i, j] + x[i, j]
    return y


def tile(rows: int, lanes: int, m: int, n: int) -> gm.Kernel:
    s = turned.schedule(M=m, N=n).split("i", rows, "it", "ir").split("j", lanes, "jt", "jl")
    return s.reorder("it", "jt", "ir", "jl").vectorize("jl").unroll("ir").kernel


@pytest.mark.parametrize("rows,lanes", [(16, 16), (14, 16), (4, 4), (7, 8), (40, 16)])
def test_a_tile_is_transposed(rows: int, lanes: int) -> None:
    m, n = 2 * rows, 3 * lanes
    x = np.arange(m * n, dtype=np.float32).reshape(m, n)
    code = tile(rows, lanes, m, n).compile()
    assert "scatter" not in code.llvm and "shufflevector" in code.llvm
    assert (code(x) == 2 * x.T).all()


@pytest.mark.parametrize("dtype", [gm.f64, gm.i32, gm.u8, gm.Int(13), gm.bool_, gm.bf16])
def test_elements_of_all_kinds(dtype: Any) -> None:
    @gm.kernel
    def moved(x: dtype[M, N]) -> dtype[N, M]:
        y = gm.empty((N, M), dtype)
        for i, j in gm.grid(M, N):
            y[j, i] = x[i, j]
        return y

    s = moved.schedule(M=16, N=32).split("i", 8, "it", "ir").split("j", 16, "jt", "jl")
    kernel = s.reorder("it", "jt", "ir", "jl").vectorize("jl").unroll("ir").kernel
    x = (np.arange(16 * 32).reshape(16, 32) % 2).astype(kernel.interpret(*zeros(kernel)).dtype)
    code = kernel.compile()
    assert "scatter" not in code.llvm
    assert (code(x) == x.T).all()


def zeros(kernel: gm.Kernel) -> list[np.ndarray]:
    from gemel.semantics.storage import numpy_dtype

    return [np.zeros((16, 32), numpy_dtype(p.dtype)) for p in kernel.ir.params]


def test_few_columns_stay_columns() -> None:
    code = tile(3, 16, 6, 32).compile()
    assert "scatter" in code.llvm
    x = np.arange(6 * 32, dtype=np.float32).reshape(6, 32)
    assert (code(x) == 2 * x.T).all()


def test_what_is_stored_may_be_read_again() -> None:
    """Columns that load what others have stored are stored one by one."""

    @gm.kernel
    def doubled(x: f32[8, 16], y: f32[17, 8]):
        for i in range(8):
            for j in range(16):
                y[j, i] = x[i, j] + y[j + 1, i]

    kernel = doubled.schedule().unroll("i").kernel
    x, y = np.ones((8, 16), np.float32), np.arange(17 * 8, dtype=np.float32).reshape(17, 8)
    wanted = y.copy()
    kernel.interpret(x, wanted)
    kernel(x, y)
    assert (y == wanted).all()


@gm.kernel
def convolution(x: f32[C, H, W], w: f32[K, C, 3, 3]) -> f32[K, H - 2, W - 2]:
    y = gm.zeros((K, H - 2, W - 2), f32)
    for k, i, j, c, di, dj in gm.grid(K, H - 2, W - 2, C, 3, 3):
        y[k, i, j] += w[k, c, di, dj] * x[c, i + di, j + dj]
    return y


@pytest.mark.parametrize("c,k,h,w", [(2, 32, 6, 9), (3, 48, 5, 9)])
def test_channels_along_the_lanes(c: int, k: int, h: int, w: int) -> None:
    """The default schedule takes the channels where they fill vectors better; bits as in the interpreter."""
    rng = np.random.default_rng(c)
    x, weights = rng.standard_normal((c, h, w), dtype=np.float32), rng.standard_normal((k, c, 3, 3), dtype=np.float32)
    for kernel, args in ((convolution, (x, weights)), (convolution.specialize(w=weights), (x,))):
        schedule = kernel.schedule_for(*args, start="cpu")
        assert len(args) > 1 or "vectorize('k_1_l')" in schedule.text
        assert kernel(*args).tobytes() == schedule.kernel.interpret(*args).tobytes()
