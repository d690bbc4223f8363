"""Stencils and filters: each element is read once, through one port."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import i32
from gemel.hwsynth import synthesize
from gemel.hwsynth.pipeline import SCHEDULE
from gemel.parser import parse
from gemel.semantics.check import check
from gemel.semantics.interp import interpret
from gemel.semantics.passes.slide import slide
from gemel.semantics.pipeline import run

N, K = 16, 3


@gm.kernel
def conv(x: i32[N + K - 1, N + K - 1], w: i32[K, K]) -> i32[N, N]:
    y = gm.empty((N, N), i32)
    for i, j in gm.grid(N, N):
        total: i32 = 0
        for a, b in [(a, b) for a in range(K) for b in range(K)]:
            total += x[i + a, j + b] * w[a, b]
        y[i, j] = total
    return y


@gm.kernel
def fir(x: i32[40], w: i32[8]) -> i32[33]:
    y = gm.empty((33,), i32)
    for i in range(33):
        y[i] = sum(x[i + t] * w[t] for t in range(8))
    return y


@gm.kernel
def jacobi(a: i32[12, 12], b: i32[12, 12]):
    for _ in range(3):
        for old, new in ((a, b), (b, a)):
            for i in range(1, 11):
                for j in range(1, 11):
                    new[i, j] = (old[i, j] + old[i, j - 1] + old[i, j + 1] + old[i - 1, j] + old[i + 1, j]) >> 2


@gm.kernel
def edges(x: i32[12, 20]) -> i32[12, 20]:
    y = gm.zeros((12, 20), i32)
    for i in range(1, 11):
        for j in range(1, 19):
            across = (
                x[i - 1, j + 1] - x[i - 1, j - 1] + 2 * (x[i, j + 1] - x[i, j - 1]) + x[i + 1, j + 1] - x[i + 1, j - 1]
            )
            down = (
                x[i + 1, j - 1] - x[i - 1, j - 1] + 2 * (x[i + 1, j] - x[i - 1, j]) + x[i + 1, j + 1] - x[i - 1, j + 1]
            )
            y[i, j] = abs(across) + abs(down)
    return y


STENCILS: dict[str, tuple[Any, list[tuple[int, ...]], int]] = {
    "conv": (conv, [(N + K - 1, N + K - 1), (K, K)], 18 * 18 + 20),
    "fir": (fir, [(40,), (8,)], 40 + 16),
    "jacobi": (jacobi, [(12, 12), (12, 12)], 6 * 144 + 20),
    "edges": (edges, [(12, 20)], 2 * 240 + 10),
}


@pytest.mark.parametrize(
    "name", ["conv", "fir", *(pytest.param(n, marks=pytest.mark.slow) for n in ("jacobi", "edges"))]
)
def test_stencils_take_a_cycle_an_element(name: str) -> None:
    kernel, shapes, cycles = STENCILS[name]
    rng = np.random.default_rng(3)
    args = [rng.integers(-99, 99, s).astype(np.int32) for s in shapes]
    own = [a.copy() for a in args]
    want = kernel(*own)
    design = kernel.synth()
    result = design.simulate(*args)
    np.testing.assert_array_equal(result.outputs, want)
    for a, b in zip(args, own, strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.cycles == design.cycles <= cycles
    assert all(m.reads <= 1 for m in design.report.memories)


def stencil(rng: random.Random) -> str:
    """A nest over two or three loops that loads from places around its variables."""

    def place() -> str:
        return f"x[(i + {rng.randrange(4)}) - {rng.randrange(3)}, (j + {rng.randrange(4)}) - {rng.randrange(3)}]"

    tests = [f"{v} {op} {rng.randrange(2, 6)}" for v in "ij" for op in ("<", ">=")]
    lines = [f"let a{n}: i32 = {place()}" for n in range(rng.randrange(2, 5))]
    total = "a0"
    for n in range(1, len(lines)):
        total = f"({total} ^ a{n})"
    if rng.random() < 0.3:
        lines = [f"if {rng.choice(tests)} {{", f"y[i, j] = {place()} ^ {place()}", "}"]
        total = "y[i, j]"
    nest = [f"for {v} in {rng.randrange(3, 5)} .. {rng.randrange(6, 9)} {{" for v in rng.choice(["ij", "kij", "ikj"])]
    body = [*nest, *lines, f"y[i, j] = {total}", *("}" for _ in nest)]
    return "\n".join(["kernel s(x: i32[12, 12], y: i32[12, 12]) {", *body, "}"])


@pytest.mark.parametrize("seed", range(12))
def test_drawn_stencils_compute_the_same(seed: int) -> None:
    rng = random.Random(seed)
    kernel = parse(stencil(rng))
    x = np.random.default_rng(seed).integers(-99, 99, (12, 12)).astype(np.int32)
    want, got, simulated = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    interpret(kernel, [x, want])
    scheduled = run(kernel, SCHEDULE, "schedule")
    check(scheduled)
    interpret(scheduled, [x, got])
    np.testing.assert_array_equal(got, want)
    if seed < 2:
        design = synthesize(kernel)
        assert design.simulate(x, simulated).cycles == design.cycles
        np.testing.assert_array_equal(simulated, want)


def test_a_window_reads_nothing_outside_of_the_array() -> None:
    kernel = parse(
        """
kernel k(x: i32[8], y: i32[8]) {
  for i in 0 .. 8 {
    y[i] = 0:i32
    if i > 0 {
      y[i] = x[i - 1] ^ x[i]
    }
  }
}
"""
    )
    assert str(slide(kernel)) == str(kernel)
