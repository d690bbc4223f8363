"""Nests taken apart, triangles in rectangles and back: the same bits, and what would not be the same is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, f64
from gemel.errors import ScheduleError
from gemel.schedule import Schedule
from gemel.semantics.schedule.affine import Inequality, possible

M, N, K = gm.dims("M N K")


@gm.kernel
def symmetric(alpha: f64, C: f64[M, N], A: f64[M, M], B: f64[M, N]):
    for i in range(M):
        for j in range(N):
            t: f64 = 0.0
            for k in range(i):
                C[k, j] += alpha * B[i, j] * A[i, k]
                t += B[k, j] * A[i, k]
            C[i, j] = C[i, j] * 0.5 + alpha * B[i, j] * A[i, i] + t


@gm.kernel
def lower(C: f64[N, N], A: f64[N, K]):
    for i in range(N):
        for j in range(i + 1):
            for k in range(K):
                C[i, j] += A[i, k] * A[j, k]


@gm.kernel
def upper(C: f64[N, M], A: f64[N, N], B: f64[N, M]):
    for i in range(N):
        for j in range(M):
            for k in range(i + 1, N):
                C[i, j] += A[k, i] * B[k, j]


@gm.kernel
def updates(C: f64[N, N], A: f64[N, K], B: f64[N, K]):
    for i in range(N):
        for j in range(i + 1):
            C[i, j] *= 0.5
        for k in range(K):
            for j in range(i + 1):
                C[i, j] += A[j, k] * 1.5 * B[i, k] + B[j, k] * 1.5 * A[i, k]


@gm.kernel
def columns(a: f64[M, N]) -> f64[N]:
    mean = gm.zeros((N,), f64)
    for j in range(N):
        for i in range(M):
            mean[j] += a[i, j]
        mean[j] = mean[j] / f64(M)
    return mean


@gm.kernel
def solved(L: f64[N, N], x: f64[N]):
    for i in range(N):
        for j in range(i):
            x[i] = x[i] - L[i, j] * x[j]
        x[i] = x[i] / L[i, i]


def outcome(run: Any, args: tuple[Any, ...]) -> list[Any]:
    mine = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    result = run(*mine)
    return [np.asarray(x) for x in (result, *mine) if isinstance(x, np.ndarray)]


def same(s: Schedule, source: Any, *args: Any) -> None:
    """The scheduled kernel on the CPU and in the interpreter is the source in the interpreter, bit for bit."""
    wanted = [a.tobytes() for a in outcome(source.interpret, args)]
    assert [a.tobytes() for a in outcome(s.kernel.interpret, args)] == wanted
    assert [a.tobytes() for a in outcome(s.kernel, args)] == wanted


def randoms(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(sum(map(len, shapes)))
    return [rng.random(s) for s in shapes]


# ----------------------------------------------------------------------------------------------------- distribution


def test_statements_get_nests_of_their_own() -> None:
    s = symmetric.schedule(M=7, N=5).separate("i")
    assert str(s).count("k") >= 2 and "alloc t_1[7, 5]" in str(s)
    same(s, symmetric, 1.5, *randoms((7, 5), (7, 7), (7, 5)))
    assert s.validate().status == "proved"


def test_what_a_column_sums_is_divided_afterwards() -> None:
    s = columns.schedule(M=6, N=4).separate("j")
    assert [line.split()[0] for line in str(s).splitlines() if " in 0 .. " in line] == ["i", "j", "i_1", "j_1"]
    same(s, columns, *randoms((6, 4)))


def test_statements_that_need_each_other_in_turn_stay_together() -> None:
    with pytest.raises(ScheduleError, match="need each other in turn") as caught:
        solved.schedule(N=6).separate("i")
    assert caught.value.code == "K02"


def test_terms_of_a_sum_become_accumulations() -> None:
    s = updates.schedule(N=6, K=3).terms("j_1").separate("i")
    assert str(s).count("C add=") == 2
    args = randoms((6, 6), (6, 3), (6, 3))
    got, wanted = outcome(s.kernel, tuple(args)), outcome(updates.interpret, tuple(args))
    np.testing.assert_allclose(got[0], wanted[0], rtol=1e-13)
    assert s.validate().status == "proved"


# --------------------------------------------------------------------------------------------------------- triangles


@pytest.mark.parametrize("n", [2, 4, 13])
def test_a_triangle_in_a_rectangle_and_in_tiles(n: int) -> None:
    args = randoms((n, n), (n, 5))
    s = lower.schedule(N=n, K=5).spell().box("j", "i")
    same(s, lower, *args)
    s = s.split("i", 4, "it", "ir").split("j", 8, "jt", "jl").reorder("it", "jt", "k", "ir", "jl").trim("jt")
    same(s, lower, *args)


def test_trim_leaves_out_tiles_beyond_the_triangle() -> None:
    s = lower.schedule(N=16, K=2).spell().box("j", "i").split("i", 4, "it", "ir").split("j", 4, "jt", "jl")
    s = s.reorder("it", "jt", "k", "ir", "jl").trim("jt")
    assert "jt in 0 .. min(4, " in str(s)
    assert s.validate().status == "proved"


def test_peel_gives_whole_iterations_a_loop_without_the_condition() -> None:
    s = upper.schedule(N=13, M=7).spell().box("k", "i").split("i", 4, "it", "ir").reorder("it", "k", "ir", "j")
    s = s.trim("k").peel("k")
    text = str(s.kernel.ir)
    assert text.count("<= k_1") == 1 and "<= k " not in text and "<= k)" not in text
    same(s, upper, *randoms((13, 7), (13, 13), (13, 7)))


def test_stage_takes_the_place_that_its_loops_lead_to() -> None:
    s = lower.schedule(N=9, K=5).stage("A", "i", "k", name="row")
    assert "row[k] * A[j, k]" in str(s.kernel.ir)
    same(s, lower, *randoms((9, 9), (9, 5)))


@pytest.mark.parametrize(
    ("take", "code", "part"),
    [
        (lambda: lower.schedule(N=8, K=2).box("k", "i"), "K03", "don't depend on i"),
        (lambda: lower.schedule(N=8, K=2).box("i", "j"), "K01", "is not in j"),
        (lambda: lower.schedule(N=8, K=2).trim("j"), "K03", "no condition"),
        (lambda: lower.schedule(N=8, K=2).peel("j"), "K03", "no condition"),
        (lambda: columns.schedule(M=3, N=3).terms("i"), "K03", "no sum"),
    ],
)
def test_refused(take: Any, code: str, part: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        take()
    assert caught.value.code == code and part in str(caught.value)


def test_strict_kernels_keep_their_sums() -> None:
    @gm.kernel(fp="strict")
    def added(a: f32[N], b: f32[N]) -> f32:
        s: f32 = 0.0
        for i in range(N):
            s += a[i] + b[i]
        return s

    with pytest.raises(ScheduleError, match="is strict"):
        added.schedule(N=4).terms("i")


# ----------------------------------------------------------------------------------------------------------- default


@pytest.mark.slow
@pytest.mark.parametrize(("n", "k"), [(7, 3), (37, 21), (45, 50)])
def test_the_default_of_triangular_products(n: int, k: int) -> None:
    rng = np.random.default_rng(n)
    c, a, b = rng.random((n, n)), rng.random((n, k)), rng.random((n, k))
    m, w = rng.random((n, n)), rng.random((n, 19))
    cases: list[tuple[Any, tuple[Any, ...], dict[str, int]]] = [
        (lower, (c, a), {"N": n, "K": k}),
        (updates, (c, a, b), {"N": n, "K": k}),
        (upper, (rng.random((n, 19)), m, w), {"N": n, "M": 19}),
        (symmetric, (1.5, rng.random((n, 19)), m, w), {"M": n, "N": 19}),
        (columns, (m,), {"M": n, "N": n}),
    ]
    for kernel, args, sizes in cases:
        s = kernel.schedule("cpu", **sizes)
        made = outcome(s.kernel.interpret, args)
        assert [x.tobytes() for x in made] == [x.tobytes() for x in outcome(kernel, args)]
        for got, wanted in zip(made, outcome(kernel.interpret, args), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-12)


# ---------------------------------------------------------------------------------------------------- inequalities


def test_inequalities_of_integers() -> None:
    x, y = "x", "y"
    assert not possible([Inequality({x: 1}, -3), Inequality({x: -1}, 2)])  # x >= 3, x <= 2
    assert possible([Inequality({x: 1}, -3), Inequality({x: -1}, 3)])
    assert not possible([Inequality({x: 2}, -1), Inequality({x: -2}, 1)])  # 2x = 1
    assert not possible([Inequality({x: 1, y: -1}, -1), Inequality({y: 1, x: -1}, 0)])  # x > y, y >= x
    assert possible([Inequality({x: 1, y: -1}, -1), Inequality({y: 1}, 0), Inequality({x: -1}, 1)])


# ------------------------------------------------------------------------------------------------------------- sums


@gm.kernel
def factor(A: f64[N, N]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] = A[i, j] / A[j, j]


@pytest.mark.slow
def test_sums_made_of_the_same_array_run_in_vectors() -> None:
    s = factor.schedule("cpu", N=150)
    assert "sums('k')" in s.text and "spread('A'" in s.text
    a = np.tril(np.random.default_rng(2).random((150, 150))) + 150 * np.eye(150)
    made = outcome(s.kernel.interpret, (a,))[0]
    assert made.tobytes() == outcome(factor, (a,))[0].tobytes()
    np.testing.assert_allclose(made, outcome(factor.interpret, (a,))[0], rtol=1e-12)
    assert factor.schedule(N=4).sums("k").validate().status == "proved"


def test_spread_refuses_sums_that_read_what_they_make() -> None:
    @gm.kernel
    def running(a: f64[N], x: f64[N]):
        for i in range(N):
            for j in range(N):
                x[i] = x[i] + a[j] * x[j]

    s = running.schedule(N=64).sums("j").split("j", 8, "t", "l")
    with pytest.raises(ScheduleError, match="not only accumulated"):
        s.spread("x", "t", "l")


def test_sums_are_stores_that_add() -> None:
    with pytest.raises(ScheduleError, match="no store") as caught:
        columns.schedule(M=3, N=3).sums("i")
    assert caught.value.code == "K03"


# ------------------------------------------------------------------------------------------------- loops that run down


@gm.kernel
def backwards(a: f64[M, N]):
    for j in range(N - 2, -1, -1):
        for i in range(M):
            a[i, j] = a[i, j] + 0.5 * a[i, j + 1]


@gm.kernel
def twice_backwards(a: f64[N, N]):
    for i in range(N - 2, -1, -1):
        for j in range(1, N):
            a[i, j] = a[i + 1, j - 1] * 0.5 + a[i, j]


def test_loops_that_run_down_keep_their_order() -> None:
    for kernel, sizes in ((backwards, {"M": 5, "N": 6}), (twice_backwards, {"N": 7})):
        a = np.random.default_rng(3).random(tuple(sizes.values()) if len(sizes) == 2 else (7, 7))
        assert outcome(kernel, (a,))[0].tobytes() == outcome(kernel.interpret, (a,))[0].tobytes()
    with pytest.raises(ScheduleError, match="run upwards"):
        twice_backwards.schedule(N=7).reorder("j", "i")
    with pytest.raises(ScheduleError, match="run upwards"):
        backwards.schedule(M=3, N=4).separate("j")


def test_results_of_one_name_are_told_apart() -> None:
    @gm.kernel
    def both(A: f64[M, N], p: f64[N], r: f64[M]) -> tuple[f64[N], f64[M]]:
        return r @ A, A @ p

    s = both.schedule("cpu", M=70, N=64)
    assert "spread('add_1'" in s.text and "fuse('k'" in s.text  # the matrix is read once
    a, p, r = randoms((70, 64), (64,), (70,))
    for got, wanted in zip(s.kernel(a, p, r), (r @ a, a @ p), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_windows_are_no_triangles() -> None:
    @gm.kernel
    def windows(x: f64[N], w: f64[K], like: f64[M]) -> f64[M, N - K + 1]:
        out = gm.zeros((M, N - K + 1), f64)
        for m, i in gm.grid(M, N - K + 1):
            for k in range(i, i + K):
                out[m, i] += x[k] * w[k - i] * like[m]
        return out

    assert "box" not in windows.schedule("cpu", M=20, N=64, K=3).text
