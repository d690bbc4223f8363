"""What a kernel fills itself needs no zeros: loops may be split, and conditions may keep the padding out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32
from gemel.codegen.lower import lower
from gemel.codegen.pipeline import CPU
from gemel.schedule import Schedule
from gemel.semantics.pipeline import run

M, N = gm.dims("M N")


@gm.kernel
def twice(a: f32[M, N]) -> f32[M, N]:
    b = gm.empty((M, N), f32)
    for i, j in gm.grid(M, N):
        b[i, j] = a[i, j] * 2.0
    return b


@gm.kernel
def corner(a: f32[M, N]) -> f32[M, N]:
    b = gm.zeros((M, N), f32)
    for i, j in gm.grid(M, N):
        if i * N + j < 100:
            b[i, j] = a[i, j]
    return b


def fills(s: Schedule) -> bool:
    return all(lower(run(s._inner.kernel, CPU, "test")).filled)


SPLITS: dict[str, Callable[[Schedule], Schedule]] = {
    "as it is": lambda s: s,
    "even": lambda s: s.split("j", 5),
    "guarded": lambda s: s.split("j", 16, "t", "l").vectorize("l"),
    "twice": lambda s: s.split("j", 8, "t", "l").split("l", 2, "x", "y").split("i", 4),
    "both": lambda s: s.split("i", 4, "it", "il").split("j", 7, "jt", "jl").reorder("it", "jt", "il", "jl"),
}


@pytest.mark.parametrize("how", SPLITS)
def test_loops_that_are_split_fill_an_array(how: str) -> None:
    s = SPLITS[how](twice.schedule(M=6, N=25))
    assert fills(s)
    a, out = np.random.default_rng(1).random((6, 25), dtype=np.float32), np.full((6, 25), np.nan, np.float32)
    assert (s.kernel(a, out=out) == 2 * a).all()


def reading(text: str) -> Any:
    return gm.parse(f"kernel k(a: f32[20]) -> (b: f32[20]) {{\n{text}\n}}")


PARTS = {
    "too few": "for t in 0 .. 4 { for l in 0 .. 4 { b[(t * 4) + l] = 1.0:f32 } }",
    "with gaps": "for t in 0 .. 5 { for l in 0 .. 3 { b[(t * 4) + l] = 1.0:f32 } }",
    "overlapping": "for t in 0 .. 4 { for l in 0 .. 4 { b[(t * 5) + l] = 1.0:f32 } }",
    "kept out": "for t in 0 .. 6 { for l in 0 .. 4 { if ((t * 4) + l) < 19 { b[(t * 4) + l] = 1.0:f32 } } }",
    "some else": "for t in 0 .. 5 { for l in 0 .. 4 { if t < 4 { b[(t * 4) + l] = 1.0:f32 } } }",
    "one variable twice": "for t in 0 .. 20 { b[t + t] = 1.0:f32 }",
}


@pytest.mark.parametrize("how", PARTS)
def test_what_is_left_out_is_set_to_zero(how: str) -> None:
    assert lower(run(reading(PARTS[how]).ir, CPU, "test")).filled == (False,)


def test_conditions_that_let_all_pass() -> None:
    text = "for t in 0 .. 6 { for l in 0 .. 4 { if ((t * 4) + l) < 20 { b[(t * 4) + l] = 1.0:f32 } } }"
    assert lower(run(reading(text).ir, CPU, "test")).filled == (True,)


def test_the_rest_of_a_result_is_zero() -> None:
    a, out = np.ones((9, 30), np.float32), np.full((9, 30), 7.0, np.float32)
    corner(a, out=out)
    assert out.sum() == 100
