"""Element-wise loops: what is costly is computed once, and elementary functions run in lanes, with the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import f32, f64
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

N, M = gm.dims("N M")


@gm.kernel
def twice(x: f64[N]) -> f64[N]:
    s = gm.sin(x)
    return s * s + gm.sqrt(s)


@gm.kernel
def passed_on(x: f64[N], y: f64[N]) -> f64[N]:
    a = gm.exp(-x).copy()
    b = (a * y).copy()
    return gm.where(b > 0.5, gm.log(b), a)


@gm.kernel
def stored_between(x: f64[N], y: f64[N]):
    for i in range(N):
        y[i] = gm.exp(x[i])
        x[i] = 2.0
        y[i] += gm.exp(x[i])


@gm.kernel
def asked_for(x: f64[N]) -> tuple[f64[N], f64[N]]:
    a = gm.empty((N,), f64)
    b = gm.empty((N,), f64)
    for i in range(N):
        a[i] = gm.where(x[i] > 0.0, gm.exp(x[i]), 1.0)
        b[i] = gm.where(x[i] > 1.0, gm.exp(x[i]), 2.0)
    return a, b


def same_bits(s: Schedule, *arrays: Any) -> Any:
    """What the scheduled kernel gives, which is what the one as written gives, bit for bit, on every engine."""
    wanted = s.kernel.interpret(*(np.copy(a) for a in arrays))
    got = s.kernel(*(np.copy(a) for a in arrays))
    assert np.asarray(got).tobytes() == np.asarray(wanted).tobytes()
    return got


def test_costly_parts_are_computed_once() -> None:
    s = twice.schedule(N=10).common()
    assert str(s.kernel.ir).count("sin(") == 1 and str(twice.ir).count("sin(") > 1
    x = np.linspace(0, 3, 10)
    assert same_bits(s, x).tobytes() == twice.interpret(x).tobytes()
    assert s.validate().status == "proved"


def test_a_store_in_between_ends_what_is_common() -> None:
    with pytest.raises(ScheduleError, match="computed twice") as caught:
        stored_between.schedule(N=4).common()
    assert caught.value.code == "K03"


def test_what_a_choice_asks_for_is_not_computed_before() -> None:
    with pytest.raises(ScheduleError, match="computed twice"):
        asked_for.schedule(N=4).common()


def test_arrays_that_are_passed_on_are_gone() -> None:
    s = passed_on.schedule("cpu", N=37)
    text = str(s.kernel.ir)
    assert "alloc" not in text and text.count("exp(") == 1 and "i_l in 0 .. " in str(s)
    x, y = np.random.default_rng(1).random((2, 37))
    assert same_bits(s, x, y).tobytes() == passed_on.interpret(x, y).tobytes() == passed_on(x, y).tobytes()


@pytest.mark.parametrize("n", [1, 3, 4, 7, 8, 9, 100])
def test_lanes_have_the_bits_of_single_elements(n: int) -> None:
    @gm.kernel
    def waves(x: f32[M, N], y: f32[M, N]) -> f32[M, N]:
        out = gm.zeros((M, N), f32)
        for i, j in gm.grid(M, N):
            if y[i, j] > 0.25:
                out[i, j] = gm.sin(x[i, j]) + gm.tanh(y[i, j])
        return out

    x, y = np.random.default_rng(n).standard_normal((2, 3, n)).astype(np.float32)
    x[1] *= 1e9  # beyond what range reduction does in lanes
    s = waves.schedule("cpu", M=3, N=n)
    assert ("vector" in str(s)) == (n >= 4)
    assert same_bits(s, x, y).tobytes() == waves.interpret(x, y).tobytes() == waves(x, y).tobytes()


def test_strict_kernels_get_lanes_too() -> None:
    @gm.kernel(fp="strict")
    def grown(x: f64[N]) -> f64[N]:
        return gm.exp(x) * 2.0

    assert "vector" in str(grown.schedule("cpu", N=20))
