"""Schedule steps: what they leave is the same function, bit for bit; what would not be is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def whole(A: i8[M, K], B: i8[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def shifted(a: f32[N]):
    for i in range(N - 1):
        a[i + 1] = a[i] * 0.5


@gm.kernel
def skewed(a: f32[M, N]):
    for i, j in gm.grid(M - 1, N - 1):
        a[i + 1, j] = a[i, j + 1]


@gm.kernel
def total(a: f32[N]) -> f32:
    s: f32 = 0.0
    for i in range(N):
        s += a[i]
    return s


def matrices(m: int, n: int, k: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(m * n + k)
    if dtype is np.int8:
        return rng.integers(-128, 128, (m, k), dtype), rng.integers(-128, 128, (k, n), dtype)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def same_bits(schedule: Schedule, *arrays: Any) -> Any:
    """The scheduled kernel on the CPU, which must have the interpreter's bits."""
    wanted = schedule.kernel.interpret(*(a.copy() for a in arrays))
    got = schedule.kernel(*(a.copy() for a in arrays))
    assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes()
    return got


def test_split_tails_keep_all_bits() -> None:
    a, b = matrices(7, 9, 5, np.float32)
    for tail in ("guard", "bound", "cut"):
        start = gemm.schedule(M=7, N=9, K=5).split("i_1", 3, tail=tail)
        assert same_bits(start, a, b).tobytes() == gemm.interpret(a, b).tobytes()


def test_steps_that_keep_the_order_keep_all_bits() -> None:
    a, b = matrices(10, 20, 6, np.float32)
    s = gemm.schedule(M=10, N=20, K=6).split("i_1", 4, "it", "ir").split("j_1", 16, "jt", "jl")
    s = s.reorder("it", "jt", "k", "ir", "jl").vectorize("jl").unroll("ir")
    s = s.accumulate("C", "jt", "ir", "jl", name="tile").absorb("C", "jt")
    assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()


@pytest.mark.parametrize("shape", [(1, 1, 1), (13, 17, 31), (33, 65, 129), (100, 7, 300), (64, 64, 64), (5, 200, 3)])
def test_default_contraction(shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a, b = matrices(m, n, k, np.float32)
    start = gemm.schedule("cpu", M=m, N=n, K=k)
    got = start.kernel(a, b)
    assert got.tobytes() == gemm(a, b).tobytes()  # what a user gets
    np.testing.assert_allclose(got, a @ b, rtol=1e-4, atol=1e-4)
    if m * n * k < 30_000:
        same_bits(start, a, b)


@pytest.mark.parametrize("shape", [(3, 5, 7), (33, 65, 40), (64, 64, 64)])
def test_default_contraction_of_integers_is_exact(shape: tuple[int, int, int]) -> None:
    a, b = matrices(*shape, np.int8)
    assert (whole(a, b) == a.astype(np.int64) @ b).all()


def test_text_replays() -> None:
    s = gemm.schedule("cpu", M=40, N=40, K=40)
    again = gemm.schedule(M=40, N=40, K=40).replay(s.text)
    assert str(again.kernel.ir) == str(s.kernel.ir) and again.text == s.text
    assert s.text.splitlines()[0].startswith("split('i_1', ")


def test_user_written_step() -> None:
    def rows_of(s: Schedule, loop: str, lanes: int) -> Schedule:
        return s.split(loop, lanes, f"{loop}_t", f"{loop}_l").vectorize(f"{loop}_l")

    a, b = matrices(8, 32, 4, np.float32)
    s = gemm.schedule(M=8, N=32, K=4).reorder("i_1", "k", "j_1").then(rows_of, "j_1", 16)
    assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()
    assert len(s.text.splitlines()) == 3


def test_the_tree_names_loops_and_kinds() -> None:
    text = str(gemm.schedule(M=8, N=32, K=4).split("j_1", 16, "jt", "jl").vectorize("jl"))
    assert "jl in 0 .. 16  vector" in text and "jt in 0 .. 2" in text


REFUSED: list[tuple[str, Callable[[], Schedule], str, str]] = [
    ("no such loop", lambda: gemm.schedule(M=8, N=8, K=8).split("x", 4), "K01", "its loops: i, j, i_1, j_1, k"),
    ("no such step", lambda: gemm.schedule(M=8, N=8, K=8).replay("melt('i')"), "K01", "there is no step melt"),
    ("no step", lambda: gemm.schedule(M=8, N=8, K=8).replay("split 'i'"), "K01", "line 1 is no step"),
    ("code in a step", lambda: gemm.schedule(M=8).replay("split(print('x'), 3)"), "K01", "line 1 is no step"),
    ("no such buffer", lambda: gemm.schedule(M=8, N=8, K=8).stage("X", "i_1", "k"), "K01", "its buffers: A, B, C"),
    ("factor", lambda: gemm.schedule(M=8, N=8, K=8).split("i_1", 0), "K03", "a factor from 1"),
    ("tail", lambda: gemm.schedule(M=8, N=8, K=8).split("i_1", 3, tail="drop"), "K03", "guard, bound, cut"),
    ("cut of unknown length", lambda: gemm.schedule().split("i_1", 3, tail="cut"), "K03", "no known number"),
    ("lanes", lambda: gemm.schedule(M=8, N=100, K=8).vectorize("j_1"), "K03", "split it first"),
    ("lanes of unknown length", lambda: gemm.schedule().vectorize("j_1"), "K03", "split it first"),
    ("unroll of unknown length", lambda: gemm.schedule().unroll("j_1"), "K03", "no known number"),
    ("vector reduction", lambda: gemm.schedule(M=8, N=8, K=8).vectorize("k"), "K02", "accumulate into one element"),
    ("parallel reduction", lambda: total.schedule(N=8).parallel("i"), "K02", "accumulate into one element"),
    ("parallel recurrence", lambda: shifted.schedule(N=8).parallel("i"), "K02", "iteration i=0"),
    ("vector recurrence", lambda: shifted.schedule(N=9).vectorize("i"), "K02", "the same element"),
    ("skewed interchange", lambda: skewed.schedule(M=8, N=8).reorder("j", "i"), "K02", "would swap iterations"),
    ("not one nest", lambda: gemm.schedule(M=8, N=8, K=8).reorder("i", "i_1"), "K03", "no perfect nest"),
    ("twice", lambda: gemm.schedule(M=8, N=8, K=8).reorder("i_1", "i_1"), "K03", "each loop once"),
    (
        "bounds of an inner loop",
        lambda: gemm.schedule(M=8, N=8, K=9).split("k", 4, "ko", "ki", tail="bound").reorder("ki", "ko"),
        "K02",
        "bounds of ki need ko",
    ),
    ("stage of what changes", lambda: skewed.schedule(M=8, N=8).stage("a", "i", "j"), "K03", "several places"),
    ("stage without a loop", lambda: gemm.schedule(M=8, N=8, K=8).stage("B", "i_1", "k"), "K03", "depends on j_1"),
    (
        "accumulate where one element has several places",
        lambda: gemm.schedule(M=8, N=8, K=8).accumulate("C", "i_1", "j_1", "k"),
        "K02",
        "go to one element",
    ),
    ("absorb without a fill", lambda: total.schedule(N=8).absorb("a", "i"), "K03", "no nest before"),
    ("strict", lambda: strict_sum().contract("i_1"), "K02", "is strict"),
]


def strict_sum() -> Schedule:
    @gm.kernel(fp="strict")
    def product(A: f32[4, 4], B: f32[4, 4]) -> f32[4, 4]:
        C = gm.zeros((4, 4), f32)
        for i, j, k in gm.grid(4, 4, 4):
            C[i, j] += A[i, k] * B[k, j]
        return C

    return product.schedule()


@pytest.mark.parametrize(("take", "code", "part"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(take: Callable[[], Schedule], code: str, part: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        take()
    assert caught.value.code == code and part in str(caught.value), str(caught.value)


def test_conflicts_name_two_iterations_that_meet() -> None:
    with pytest.raises(ScheduleError, match=r"i=\d, j=\d .* i=\d, j=\d"):
        skewed.schedule(M=8, N=8).reorder("j", "i")


# ------------------------------------------------------------------------------------------------------------- rows


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    e = gm.exp(x - x.max(axis=1)[:, None])
    return e / e.sum(axis=1)[:, None]


@gm.kernel
def layernorm(x: f32[M, N], g: f32[N]) -> f32[M, N]:
    d = x - x.mean(axis=1)[:, None]
    v = (d * d).mean(axis=1)[:, None]
    return d / gm.sqrt(v + 1e-5) * g


@gm.kernel
def least(a: i8[N]) -> i8:
    s: i8 = 127
    for i in range(N):
        s = gm.minimum(s, a[i])
    return s


def test_spread_sums_in_several_accumulators() -> None:
    a = np.random.default_rng(4).random(1000, dtype=np.float32)
    s_kernel = total.schedule(N=1000).split("i", 64, "t", "w").split("w", 16, "v", "l").spread("s", "t", "v", "l")
    assert "alloc s_t[4, 16]" in str(s_kernel)
    got = same_bits(s_kernel.vectorize("l").unroll("v"), a)
    np.testing.assert_allclose(got, a.sum(dtype=np.float64), rtol=1e-6)


def test_rows_are_fused_and_share_what_they_compute() -> None:
    text = str(softmax.schedule("cpu", M=8, N=128))
    assert text.count("in 0 .. 8") >= 1 and "alloc k_1_kept[128]" in text
    x = np.random.default_rng(5).standard_normal((8, 128)).astype(np.float32)
    got = same_bits(softmax.schedule("cpu", M=8, N=128), x)
    wide = np.exp(x.astype(np.float64) - x.max(axis=1)[:, None])
    np.testing.assert_allclose(got, wide / wide.sum(axis=1)[:, None], rtol=1e-5)


@pytest.mark.parametrize("n", [1, 31, 33, 100, 1024, 1037])
def test_default_rows_at_odd_lengths(n: int) -> None:
    rng = np.random.default_rng(n)
    x, g = rng.standard_normal((3, n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    for kernel, args in ((softmax, (x,)), (layernorm, (x, g)), (total, (x[0].copy(),))):
        sizes = {"N": n} if kernel is total else {"M": 3, "N": n}
        start = kernel.schedule("cpu", **sizes)
        got = same_bits(start, *args)
        assert np.asarray(got).tobytes() == np.asarray(kernel(*args)).tobytes()


def test_fuse_keeps_the_order_of_what_depends() -> None:
    @gm.kernel
    def later(a: f32[N]) -> f32[N]:
        t = gm.empty((N,), f32)
        out = gm.empty((N,), f32)
        for i in range(N):
            t[i] = a[i] * 2.0
        for i in range(N):
            out[i] = t[N - 1 - i]
        return out

    with pytest.raises(ScheduleError, match="would come too early") as caught:
        later.schedule(N=8).fuse("i", "i_1")
    assert caught.value.code == "K02"


def test_share_needs_something_in_common_that_stays() -> None:
    @gm.kernel
    def changed(a: f32[N]) -> f32[N]:
        out = gm.empty((N,), f32)
        for i in range(N):
            out[i] = gm.exp(a[i])
        for i in range(N):
            a[i] = 0.0
        for i in range(N):
            out[i] += gm.exp(a[i])
        return out

    with pytest.raises(ScheduleError, match="changes in between"):
        changed.schedule(N=8).share("i", "i_2")
    with pytest.raises(ScheduleError, match="nothing in common"):
        changed.schedule(N=8).share("i", "i_1")
