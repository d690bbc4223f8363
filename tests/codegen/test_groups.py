"""Neighbours in vector loops: one load or store for several statements reaches the same elements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i8, i16
from gemel.codegen.pipeline import CPU
from gemel.semantics.passes.unswitch import unswitch

N = gm.dims("N")


@gm.kernel
def channels(x: i8[N, 4]) -> i8[N, 4]:
    y = gm.empty((N, 4), i8)
    for n, q in gm.grid(N, 4):
        y[n, q] = x[n, q] ^ 3
    return y


@gm.kernel
def pairs(x: f32[N, 2], y: f32[N, 2]):
    for n in range(N):
        y[n, 0] = x[n, 0] + x[n, 1]
        y[n, 1] = x[n, 0] - x[n, 1]


@gm.kernel
def shifted(x: i16[N, 2]):
    for n in range(N):
        x[n, 0] = x[n, 1]
        x[n, 1] = x[n, 0] + 1


@gm.kernel
def turned(x: f32[N, 40]) -> f32[40, N]:
    y = gm.empty((40, N), f32)
    for n, k in gm.grid(N, 40):
        y[k, n] = x[n, k]
    return y


def in_lanes(kernel: Any, n: int, lanes: int, *inner: str) -> Any:
    s = kernel.schedule(N=n).split("n", lanes, "nt", "nl").vectorize("nl")
    return (s.unroll(*inner) if inner else s).simplify()


@pytest.mark.parametrize("n", [16, 32, 37])
def test_channels_are_one_load_and_one_store(n: int) -> None:
    s = in_lanes(channels, n, 16, "q")
    x = np.random.default_rng(n).integers(-128, 128, (n, 4)).astype(np.int8)
    assert (s.kernel(x) == x ^ 3).all()
    text = s.kernel.compile().llvm
    if n % 16 == 0:
        assert "masked.gather" not in text and "masked.scatter" not in text


def test_sums_and_differences_of_pairs() -> None:
    s, x, y = (
        in_lanes(pairs, 24, 8),
        np.random.default_rng(1).random((24, 2), np.float32),
        np.zeros((24, 2), np.float32),
    )
    s.kernel(x, y)
    assert (y[:, 0] == x[:, 0] + x[:, 1]).all() and (y[:, 1] == x[:, 0] - x[:, 1]).all()
    assert "masked." not in s.kernel.compile().llvm


def test_what_changes_on_the_way_is_read_anew() -> None:
    s, x = in_lanes(shifted, 16, 16), np.arange(32, dtype=np.int16).reshape(16, 2)
    wanted = np.stack([x[:, 1], x[:, 1] + 1], axis=1)
    s.kernel(x)
    assert (x == wanted).all()


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_squares_are_transposed(lanes: int) -> None:
    s = turned.schedule(N=2 * lanes).split("k", lanes, "kt", "kl", tail="cut").split("n", lanes, "nt", "nl")
    if lanes != 16:
        s = s.reorder("nt", "kt", "nl", "kl")
    s = s.vectorize("nl").unroll("kl")
    x = np.random.default_rng(2).random((2 * lanes, 40), np.float32)
    assert (s.kernel(x) == x.T).all()
    assert lanes == 16 or "masked.gather" not in s.kernel.compile().llvm


@gm.kernel
def edges(x: f32[N, 20], y: f32[N, 20], last: gm.i32):
    for i, j in gm.grid(N, 20):
        y[i, j] = x[i, j] if i < last and j < 11 else 0.0


def test_choices_stand_before_the_loop_that_they_stay_in() -> None:
    assert unswitch in CPU
    k = edges.specialize(N=3)
    made = str(unswitch(k.ir))
    assert made.index("if ") < made.index("for j") and made.count("for j") == 2 and "select(j < 11" in made
    x, y = np.ones((3, 20), np.float32), np.full((3, 20), 7, np.float32)
    k(x, y, 2)
    assert y[:2, :11].all() and not y[2].any() and not y[:, 11:].any()
