"""Tiles over time: loops that lag, loops that are skewed, and what the default makes of sweeps in a time loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32
from gemel.codegen.host import Host
from gemel.codegen.rules import stencils
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N = gm.dims("M N")


@gm.kernel
def jacobi(A: f32[M, N], B: f32[M, N], steps: i32):
    for _t in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])


@gm.kernel
def in_place(A: f32[M, N], steps: i32):
    for _t in range(steps):
        for i, j in gm.grid(M - 2, N - 2):
            A[i + 1, j + 1] = (A[i, j + 1] + A[i + 1, j] + A[i + 1, j + 2] + A[i + 2, j + 1]) * 0.25


@gm.kernel
def three(A: f32[M, N], B: f32[M, N], C: f32[M, N], steps: i32):
    """Sweeps that look two rows ahead, and of different ranges."""
    for _t in range(steps):
        for i, j in gm.grid(M - 2, N):
            B[i, j] = A[i + 2, j] - A[i, j]
        for i, j in gm.grid(M - 4, N):
            C[i + 1, j] = B[i + 2, j] + B[i, j]
        for i, j in gm.grid(M - 5, N):
            A[i + 1, j] = C[i + 2, j] * 0.5


@gm.kernel
def backward(A: f32[M, N], B: f32[M, N], steps: i32):
    """The second sweep needs all of the first one: no lag is enough."""
    for _t in range(steps):
        for i, j in gm.grid(M, N):
            B[i, j] = A[i, j] + 1.0
        for i, j in gm.grid(M, N):
            A[i, j] = B[M - 1 - i, j]


def arrays(kernel: Any, m: int, n: int) -> list[Any]:
    rng = np.random.default_rng(m * n)
    return [rng.standard_normal((m, n), dtype=np.float32) for _ in range(len(kernel.ir.params) - 1)]


def same(kernel: Any, made: Any, m: int, n: int, steps: int) -> None:
    """The kernel, the scheduled one and its code leave the same bits in all arrays."""
    results = []
    for run in (kernel.interpret, made.interpret, made):
        given = arrays(kernel, m, n)
        run(*given, steps)
        results.append(b"".join(a.tobytes() for a in given))
    assert results[0] == results[1] == results[2]


def tiled(m: int = 12, n: int = 9, depth: int = 3) -> Schedule:
    s = jacobi.schedule(M=m, N=n).fuse("i", "i_1", shift=1)
    return s.split("_t", depth, "tb", "tt", tail="bound").skew("i", "tt", 2).reorder("i", "tt")


@pytest.mark.parametrize("steps", [-1, 0, 1, 3, 7])
@pytest.mark.parametrize(("m", "n"), [(4, 20), (5, 4), (12, 9)])
def test_rows_go_through_many_steps_at_once(m: int, n: int, steps: int) -> None:
    same(jacobi, tiled(m, n).kernel, m, n, steps)


def test_a_lag_that_is_too_small_is_refused() -> None:
    with pytest.raises(
        ScheduleError,
        match=r"i would come too early: iteration i=0 stores to A .* iteration i=1 reads A .* the same element",
    ):
        jacobi.schedule(M=12, N=9).fuse("i", "i_1", shift=0)
    with pytest.raises(ScheduleError, match="a shift by 'one'"):
        jacobi.schedule(M=12, N=9).fuse("i", "i_1", shift="one")


def test_ranges_of_their_own() -> None:
    s = three.schedule(M=14, N=3).fuse("i", "i_1", shift=2).fuse("i", "i_2", shift=3)
    assert "i in 0 .. 12" in str(s) and str(s).count("if ") == 2
    for steps in (1, 4):
        same(three, s.kernel, 14, 3, steps)
    with pytest.raises(ScheduleError, match="i would come too early"):
        three.schedule(M=14, N=3).fuse("i", "i_1", shift=1)


@pytest.mark.parametrize("shift", [-3, 5, 40])
def test_any_lag_will_do_where_nothing_depends_on_it(shift: int) -> None:
    @gm.kernel
    def two(A: f32[M], B: f32[N]):
        for i in range(M):
            A[i] = A[i] * 2.0
        for j in range(N):
            B[j] = B[j] + 1.0

    s = two.schedule(M=7, N=13).fuse("i", "j", shift=shift)
    a, b = np.arange(7, dtype=np.float32), np.arange(13, dtype=np.float32)
    s.kernel(a, b)
    assert (a == 2 * np.arange(7)).all() and (b == np.arange(13) + 1).all()


def test_without_enough_skew_time_stays_outside() -> None:
    s = jacobi.schedule(M=12, N=9).fuse("i", "i_1", shift=1)
    with pytest.raises(ScheduleError, match=r"the order i, _t would swap iterations: iteration _t=\d+, i=\d+ "):
        s.skew("i", "_t", 1).reorder("i", "_t")
    assert s.skew("i", "_t", 2).reorder("i", "_t").text.endswith("reorder('i', '_t')\n")


def test_skew_alone_changes_no_order() -> None:
    s = jacobi.schedule(M=6, N=5).skew("i", "_t", 3)
    for steps in (0, 2, 5):
        same(jacobi, s.kernel, 6, 5, steps)


def test_what_can_not_be_skewed() -> None:
    s = jacobi.schedule(M=12, N=9)
    with pytest.raises(ScheduleError, match="i is not in j"):
        s.skew("i", "j", 1)
    with pytest.raises(ScheduleError, match="skew by 0"):
        s.skew("i", "_t", 0)
    with pytest.raises(ScheduleError, match="the bounds of tt depend on tb"):
        s.split("_t", 4, "tb", "tt", tail="bound").skew("tt", "tb", 1)


def test_steps_of_a_tile_are_replayed_and_proved() -> None:
    s = tiled(6, 5)
    assert str(jacobi.schedule(M=6, N=5).replay(s.text).kernel.ir) == str(s.kernel.ir)

    @gm.kernel
    def twice(A: f32[M, N], B: f32[M, N]):
        for _t in range(2):
            for i, j in gm.grid(M - 2, N):
                B[i + 1, j] = A[i, j] + A[i + 2, j]
            for i, j in gm.grid(M - 2, N):
                A[i + 1, j] = B[i, j] + B[i + 2, j]

    proved = twice.schedule(M=6, N=2).fuse("i", "i_1", shift=1).skew("i", "_t", 2).reorder("i", "_t").validate()
    assert proved.ok, proved


@pytest.mark.parametrize(("kernel", "cache"), [(jacobi, 256), (in_place, 256), (three, 512)], ids=str)
def test_the_default_finds_lags_and_skews(kernel: Any, cache: int) -> None:
    made = stencils.schedule(kernel.schedule(M=17, N=16)._inner, Host(l2_bytes=100))
    assert "skew" not in made.text  # rows don't fit this cache
    made = stencils.schedule(kernel.schedule(M=17, N=4)._inner, Host(l2_bytes=cache))
    assert "reorder('i', '_t_t')" in made.text
    scheduled = kernel.schedule(M=17, N=4).replay(made.text).kernel
    for steps in (0, 1, 2, 9):
        same(kernel, scheduled, 17, 4, steps)


def test_the_default_leaves_alone_what_it_can_not_tile() -> None:
    assert stencils.schedule(backward.schedule(M=17, N=4)._inner, Host(l2_bytes=256)).steps == ()
    assert stencils.schedule(jacobi.schedule(M=17, N=4)._inner, Host()).steps == ()


@pytest.mark.slow
def test_the_default_of_large_arrays() -> None:
    start = jacobi.schedule(M=1000, N=700)
    made = stencils.schedule(start._inner, Host())
    assert "skew" in made.text
    a, b = arrays(jacobi, 1000, 700)
    c, d = a.copy(), b.copy()
    start.replay(made.text).kernel(a, b, 5)
    start.kernel(c, d, 5)
    assert a.tobytes() == c.tobytes() and b.tobytes() == d.tobytes()
