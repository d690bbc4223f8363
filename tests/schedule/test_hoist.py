"""What is computed of packed elements alone is computed while they are packed."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i32
from gemel.errors import ScheduleError

M, N, K = gm.dims("M N K")


@gm.kernel
def scaled(alpha: f32, A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += alpha * A[i, k] * B[k, j]
    return C


@gm.kernel
def weighted(w: f32[K], A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += (w[k] * A[i, k]) * B[k, j]
    return C


@gm.kernel
def whole(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += i32(A[i, k]) * B[k, j]
    return C


def test_products_with_a_number_are_packed() -> None:
    a, b = (np.random.default_rng(n).standard_normal((9, 9)).astype(np.float32) for n in (1, 2))
    s = scaled.schedule(M=9, N=9, K=9).stage("A", "i_1", "k", name="row").hoist("row", "i_1")
    assert str(s.kernel.ir).count("alpha *") == 1 and "row[k_row] = alpha * A" in str(s.kernel.ir)
    got = s.kernel(1.5, a, b)
    assert got.tobytes() == s.kernel.interpret(1.5, a, b).tobytes() == scaled.interpret(1.5, a, b).tobytes()
    assert s.validate().status == "proved"


def test_casts_are_packed() -> None:
    a, b = (np.random.default_rng(n).integers(-128, 128, (5, 5), np.int8) for n in (1, 2))
    s = whole.schedule(M=5, N=5, K=5).stage("A", "i_1", "k", name="row").hoist("row", "i_1")
    assert "alloc row: i32[5]" in str(s.kernel.ir)
    assert (s.kernel(a, b) == a.astype(np.int32) @ b).all()


@pytest.mark.slow
def test_the_default_packs_what_a_number_scales() -> None:
    a, b = np.random.default_rng(3).standard_normal((2, 40, 40)).astype(np.float32)
    s = scaled.schedule("cpu", M=40, N=40, K=40)
    assert s.kernel(0.5, a, b).tobytes() == s.kernel.interpret(0.5, a, b).tobytes() == scaled(0.5, a, b).tobytes()
    np.testing.assert_allclose(s.kernel(0.5, a, b), 0.5 * a @ b, rtol=1e-3, atol=1e-4)


def test_refused() -> None:
    s = scaled.schedule(M=9, N=9, K=9)
    with pytest.raises(ScheduleError, match="is not packed") as caught:
        s.hoist("A", "i_1")
    assert caught.value.code == "K03"
    with pytest.raises(ScheduleError, match="elements alone") as caught:
        weighted.schedule(M=9, N=9, K=9).stage("A", "i_1", "k", name="row").hoist("row", "i_1")
    assert caught.value.code == "K02"
