"""What default schedules choose: alone they take their own, in a search what the searcher says."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel import f32
from gemel.codegen.rules.choices import Choice, answered, asked, choose, steps_to
from gemel.codegen.runtime import compile_kernel

M, N, K, C = gm.dims("M N K C")


@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def softmax(x: f32[M, N]) -> f32[M, N]:
    y = gm.empty((M, N), f32)
    for i in range(M):
        e = gm.exp(x[i] - gm.max(x[i]))
        y[i] = e / gm.sum(e)
    return y


@gm.kernel
def conv(x: f32[C, N, M], w: f32[K, C, 3, 3]) -> f32[K, N, M]:
    padded = gm.zeros((C, N + 2, M + 2), f32)
    padded[:, 1:-1, 1:-1] = x
    y = gm.zeros((K, N, M), f32)
    for k, i, j, c, di, dj in gm.grid(K, N, M, C, 3, 3):
        y[k, i, j] += w[k, c, di, dj] * padded[c, i + di, j + dj]
    return y


SMALL = gemm.specialize(M=61, N=80, K=150)
ROWS = softmax.specialize(M=5, N=300)
IMAGE = conv.specialize(C=5, N=5, M=17, K=9)


def ends(choice: Choice) -> str:
    return choice.name.rpartition(".")[2]


def test_without_a_search_the_rule_has_its_way() -> None:
    assert choose("n", 3, (1, 2)) == 3 and choose("n", True, ()) is True


def test_a_search_answers() -> None:
    with answered(lambda c: c.among[0]):
        assert choose("n", 3, (2, 1, 2)) == 1
        assert choose("n", True, (False, True)) is False
        assert choose("n", 3, (3,)) == 3, "there is nothing to ask"
    assert choose("n", 3, (1, 2)) == 3


def test_steps_are_wide_and_end_at_the_most() -> None:
    assert steps_to(1) == [1] and steps_to(13) == [1, 2, 3, 4, 6, 8, 12, 13] and steps_to(16)[-2:] == [12, 16]


def test_rules_name_their_choices() -> None:
    products = {ends(c): c for c in asked(lambda: SMALL.schedule("cpu"))}
    assert {"rows", "vectors", "depth", "row_tiles", "column_tiles", "pack_left", "pack_right"} <= set(products)
    assert all(c.usual in c.among and len(c.among) > 1 for c in products.values())
    assert {"roles", "innermost"} <= {ends(c) for c in asked(lambda: IMAGE.schedule("cpu"))}
    assert {"share", "streams"} <= {ends(c) for c in asked(lambda: ROWS.schedule("cpu"))}


@pytest.mark.slow
@pytest.mark.parametrize("k", [SMALL, ROWS, IMAGE], ids=["products", "rows", "image"])
def test_each_answer_is_a_schedule_of_the_same_function(k: gm.Kernel) -> None:
    rng = np.random.default_rng(3)
    args = [rng.integers(-4, 5, [d.value for d in p.shape]).astype(np.float32) for p in k.ir.params]
    usual, seen = k.schedule("cpu"), set()
    for choice in asked(lambda: k.schedule("cpu")):
        for other in {choice.among[0], choice.among[-1]} - {choice.usual}:
            with answered(lambda c, one=choice, value=other: value if c.name == one.name else c.usual):
                made = k.schedule("cpu")
            seen.add(made.text)
            result = made.kernel(*args)
            np.testing.assert_allclose(result, usual.kernel(*args), 1e-6)
    assert len(seen - {usual.text}) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "k", [gemm.specialize(M=13, N=37, K=70), softmax.specialize(M=5, N=67), IMAGE], ids=["products", "rows", "image"]
)
def test_the_interpreter_has_the_bits_of_each_schedule(k: gm.Kernel, seed: int) -> None:
    """Sizes that no tile divides, answers at random; the steps as text, as an entry of tuning has them."""
    rng = np.random.default_rng(seed)
    args = [rng.standard_normal([d.value for d in p.shape]).astype(np.float32) for p in k.ir.params]
    answers: dict[str, int] = {}
    with answered(lambda c: answers.setdefault(c.name, c.among[rng.integers(len(c.among))])):
        made = k.schedule("default")
    code = compile_kernel(k.ir, made.text or "# no steps\n")
    assert code(*args).tobytes() == made.kernel.interpret(*args).tobytes(), answers
