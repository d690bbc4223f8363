"""Rows: partial results of several rows at once, and what the default does with rows that come from far."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N = gm.dims("M N")


@gm.kernel
def gemv(A: f32[M, N], x: f32[N]) -> f32[M]:
    return A @ x


@gm.kernel
def highest(A: f32[M, N]) -> f32[M]:
    return A.max(axis=1)


def rows(kernel: Any, **sizes: int) -> Schedule:
    """Three rows at a time, two vectors of each, in parts that are combined row by row."""
    s = kernel.schedule(**sizes).split("i", 3, "b", "r", tail="cut").fission("k", "r")
    s = s.split("k", 8, "t", "w", tail="cut").split("w", 4, "v", "l")
    return s


def in_parts(s: Schedule) -> Schedule:
    s = s.reorder("t", "r", "v", "l").spread("add", "t", "r", "v", "l")
    return s.vectorize("l").unroll("r", "v")


@pytest.mark.parametrize(("m", "n"), [(3, 8), (7, 16), (8, 40)])
def test_spread_keeps_an_axis_that_the_place_depends_on(m: int, n: int) -> None:
    s = in_parts(rows(gemv, M=m, N=n))
    rng = np.random.default_rng(m)
    a, x = rng.standard_normal((m, n), dtype=np.float32), rng.standard_normal(n, dtype=np.float32)
    assert "alloc add_t[3, 2, 4]" in str(s)
    assert s.kernel(a, x).tobytes() == s.kernel.interpret(a, x).tobytes()
    np.testing.assert_allclose(s.kernel(a, x), a.astype(np.float64) @ x, rtol=1e-4, atol=1e-5)
    assert s.validate().ok


def test_spread_refuses_a_place_that_moves_inside() -> None:
    s = rows(gemv, M=6, N=16).reorder("t", "r", "v", "l")
    with pytest.raises(ScheduleError, match="the place in add depends on r, a loop in t"):
        s.spread("add", "t", "v", "l")


def test_replayed_parts_are_the_same() -> None:
    s = in_parts(rows(gemv, M=6, N=16))
    assert str(gemv.schedule(M=6, N=16).replay(s.text).kernel.ir) == str(s.kernel.ir)


def test_rows_from_far_are_walked_along_together() -> None:
    rng = np.random.default_rng(1)
    a, x = rng.standard_normal((1030, 1037), dtype=np.float32), rng.standard_normal(1037, dtype=np.float32)
    big, small = gemv.schedule("cpu", M=1030, N=1037), gemv.schedule("cpu", M=10, N=1037)
    assert "fission" in big.text and "fission" not in small.text
    np.testing.assert_allclose(gemv(a, x), a.astype(np.float64) @ x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n", [1, 5, 16, 64, 129, 200])
def test_the_greatest_element_of_a_row_is_exact(n: int) -> None:
    a = np.random.default_rng(n).standard_normal((6, n), dtype=np.float32)
    a[1] = -0.0
    a[2] = np.where(np.arange(n) == n - 1, 0.0, -0.0)
    a[3, n // 2] = np.nan
    a[4], a[5] = -np.inf, np.inf
    s = highest.schedule("cpu", M=6, N=n)
    assert s.kernel.interpret(a).tobytes() == highest(a).tobytes()
    assert np.signbit(highest(a)[1]) and not np.signbit(highest(a)[2]) and np.isnan(highest(a)[3])
