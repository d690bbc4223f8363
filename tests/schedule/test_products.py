"""Products of matrices: the default schedule at any size and layout has the interpreter's bits; padding is harmless."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import f32
from gemel.codegen.rules.choices import Choice, answered
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N, K = gm.dims("M N K")


@gm.kernel
def nn(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    return A @ B


@gm.kernel
def tn(A: f32[K, M], B: f32[K, N]) -> f32[M, N]:
    return A.T @ B


@gm.kernel
def nt(A: f32[M, K], B: f32[N, K]) -> f32[M, N]:
    return A @ B.T


@gm.kernel
def tt(A: f32[K, M], B: f32[N, K]) -> f32[M, N]:
    return A.T @ B.T


FORMS = {"nn": nn, "tn": tn, "nt": nt, "tt": tt}


def operands(form: str, m: int, n: int, k: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(m * n + k)
    a = rng.standard_normal((k, m) if form[0] == "t" else (m, k), dtype=np.float32)
    b = rng.standard_normal((n, k) if form[1] == "t" else (k, n), dtype=np.float32)
    return a, b


def agrees(form: str, m: int, n: int, k: int) -> None:
    a, b = operands(form, m, n, k)
    scheduled = FORMS[form].schedule("cpu", M=m, N=n, K=k).kernel
    got = scheduled(a, b)
    assert got.tobytes() == scheduled.interpret(a, b).tobytes()
    wanted = (a.T if form[0] == "t" else a) @ (b.T if form[1] == "t" else b)
    np.testing.assert_allclose(got, wanted, 1e-4, 1e-4)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(FORMS)), st.integers(1, 25), st.integers(1, 70), st.integers(1, 20))
def test_any_size_has_the_interpreters_bits(form: str, m: int, n: int, k: int) -> None:
    agrees(form, m, n, k)


def small(choice: Choice) -> int:
    """Everything packed, in many small blocks."""
    kind = choice.name.rpartition(".")[2]
    wanted = {"pack_left": 1, "pack_right": 1, "row_tiles": 2, "column_tiles": 1, "depth": 64}.get(kind, choice.usual)
    return wanted if wanted in choice.among else choice.usual


@pytest.mark.parametrize("form", FORMS)
def test_packed_operands_have_the_same_bits(form: str) -> None:
    with answered(small):
        agrees(form, 9, 34, 70)


def padded(at: str) -> Schedule:
    s = nn.schedule(M=5, N=19, K=3).fission("k", "i").split("i", 4, "it", "ir").split("j", 16, "jt", "jl")
    s = s.reorder("it", "jt", "k", "ir", "jl").vectorize("jl").unroll("ir")
    return s.accumulate("add", at, "ir", "jl", name="tile")


def test_unguard_keeps_loads_of_padding_inside() -> None:
    s = padded("jt").unguard("jt")
    a, b = operands("nn", 5, 19, 3)
    assert s.kernel(a, b).tobytes() == s.kernel.interpret(a, b).tobytes() == nn.interpret(a, b).tobytes()
    inner = str(s.kernel.ir).split("for k in")[1].split("tile_back")[0]
    assert " if " not in inner.split("select")[0] and "min(" in inner and "select(" in inner
    assert s.validate().ok


@gm.kernel
def half(A: f32[M, K]) -> f32[M, 8]:
    y = gm.empty((M, 8), f32)
    for i in range(M):
        t = gm.zeros((8,), f32)
        for k, j in gm.grid(K, 8):
            if j < 5:
                t[j] += A[i, k]
        for j in range(8):
            y[i, j] = t[j]
    return y


def test_unguard_leaves_conditions_that_mean_something() -> None:
    with pytest.raises(ScheduleError, match="only keeps padding out"):
        half.schedule(M=3, K=4).unguard("i")


# ------------------------------------------------------------------------------------------------------------- prefetch


def tiled() -> Schedule:
    s = nn.schedule(M=8, N=32, K=6).fission("k", "i").split("i", 4, "it", "ir").split("j", 16, "jt", "jl")
    s = s.reorder("jt", "it", "k", "ir", "jl").vectorize("jl").unroll("ir")
    return s.accumulate("add", "it", "ir", "jl", name="tile")


def test_prefetch_asks_early_and_changes_nothing() -> None:
    s = tiled().prefetch("A", "it").prefetch("add", "it", 2).simplify()
    a, b = operands("nn", 8, 32, 6)
    assert s.kernel(a, b).tobytes() == s.kernel.interpret(a, b).tobytes() == nn.interpret(a, b).tobytes()
    assert s.kernel.compile().llvm.count("call void @llvm.prefetch") == 8  # four rows of A, four vectors of add
    assert s.validate().ok and "prefetch('add', 'it', 2)" in s.text
    assert str(tiled().replay("prefetch('A', 'it')").kernel.ir) == str(tiled().kernel.ir), "text doesn't tell"


PREFETCHES = [
    ("no loop", lambda: tiled().prefetch("A", "m"), "has no loop m"),
    ("not read", lambda: tiled().prefetch("B", "ir_tile"), "isn't read in ir_tile"),
    ("distance", lambda: tiled().prefetch("A", "it", 0), "a distance of 0"),
    ("too many", lambda: nn.schedule(M=8, N=80, K=6).unroll("j").prefetch("B", "i"), "more than 64 elements"),
]


@pytest.mark.parametrize(("take", "part"), [row[1:] for row in PREFETCHES], ids=[row[0] for row in PREFETCHES])
def test_prefetch_refused(take: Any, part: str) -> None:
    with pytest.raises(ScheduleError, match=part):
        take()


def test_default_schedules_fetch_what_is_far() -> None:
    far, near = (nn.schedule("cpu", M=n, N=64, K=1024).text for n in (2048, 64))
    assert "prefetch('A'" in far and "prefetch" not in near
