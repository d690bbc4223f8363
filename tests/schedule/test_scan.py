"""Running values in vectors: what the step makes of loops, what it refuses, what the CPU makes of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel import f32, f64, i32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N = gm.dims("M N")


@gm.kernel
def sums(x: f32[N]) -> f32[N]:
    y = gm.empty((N,), f32)
    acc = f32(0.0)
    for i in range(N):
        acc += x[i]
        y[i] = acc
    return y


@gm.kernel
def following(x: f64[N]) -> f64[N]:
    y = gm.empty((N,), f64)
    y[0] = x[0]
    for i in range(1, N):
        y[i] = y[i - 1] + x[i]
    return y


@gm.kernel
def in_place(x: i32[N]):
    for i in range(1, N):
        x[i] += x[i - 1]


@gm.kernel
def highest(x: f32[M, N]) -> f32[M, N]:
    y = gm.empty((M, N), f32)
    for r in range(M):
        m = x[r, 0]
        for i in range(N):
            m = gm.maximum(m, x[r, i])
            y[r, i] = m
    return y


@gm.kernel
def drawdown(x: f32[N]) -> f32[N]:
    """What is left of the highest value so far: the loop goes on with the running value and more."""
    y = gm.empty((N,), f32)
    top = f32(0.0)
    for i in range(N):
        top = gm.maximum(top, x[i])
        if top > 0.5:
            y[i] = x[i] / top
        else:
            y[i] = top
    return y


def scanned(kernel: gm.Kernel, buffer: str, lanes: int = 8, **sizes: int) -> Schedule:
    s = kernel.schedule(**sizes).split("i", lanes, "b", "l", tail="cut")
    return s.scan(buffer, "l").vectorize("l_in").vectorize("l")


def drawn(n: int, dtype: Any = np.float32) -> Any:
    rng = np.random.default_rng(n)
    return rng.integers(-(2**31), 2**31, n, np.int32) if dtype is np.int32 else rng.standard_normal(n).astype(dtype)


def alike(s: Schedule, *args: Any) -> Any:
    """What the interpreter and the CPU compute, which is the same; in place, where there is no result."""
    results = []
    for run in (s.kernel.interpret, s.kernel):
        own = [a.copy() for a in args]
        found = run(*own)
        results.append(own[0] if found is None else found)
    assert results[0].tobytes() == results[1].tobytes()
    return results[1]


@pytest.mark.parametrize(
    ("kernel", "buffer", "dtype"), [(sums, "acc", np.float32), (following, "y", np.float64), (in_place, "x", np.int32)]
)
@pytest.mark.parametrize("n", [9, 64, 101])
@pytest.mark.parametrize("lanes", [2, 7, 8])
def test_scans_are_the_same_function(kernel: gm.Kernel, buffer: str, dtype: Any, n: int, lanes: int) -> None:
    s = scanned(kernel, buffer, lanes, N=n)
    assert s.validate().ok
    x = drawn(n, dtype)
    wanted = np.cumsum(x, dtype=np.int32 if dtype is np.int32 else np.float64)
    np.testing.assert_allclose(alike(s, x), wanted, rtol=1e-4, atol=1e-5)
    assert str(kernel.schedule(N=n).replay(s.text).kernel.ir) == str(s.kernel.ir)


@settings(max_examples=12)
@given(st.integers(1, 200), st.integers(1, 3))
def test_default_scans_at_odd_lengths(n: int, rows: int) -> None:
    x = np.random.default_rng(n).standard_normal((rows, n)).astype(np.float32)
    for kernel, args, wanted in (
        (sums, (x[0],), np.cumsum(x[0], dtype=np.float64)),
        (following, (x[0].astype(np.float64),), np.cumsum(x[0], dtype=np.float64)),
        (highest, (x,), np.maximum.accumulate(x, axis=1)),
    ):
        start = kernel.schedule_for(*args, start="cpu")
        got = alike(start, *args)
        assert got.tobytes() == kernel(*args).tobytes()
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_defaults_scan_what_goes_on_with_a_running_value() -> None:
    for kernel, buffer in ((sums, "acc"), (following, "y"), (in_place, "x"), (highest, "m_1"), (drawdown, "top")):
        sizes = {"M": 3, "N": 1000} if kernel is highest else {"N": 1000}
        assert f"scan('{buffer}'" in kernel.schedule("cpu", **sizes).text
    x = np.abs(drawn(1000))
    assert alike(drawdown.schedule("cpu", N=1000), x).tobytes() == drawdown.interpret(x).tobytes()  # maxima are exact


def test_lanes_are_shuffled_in_registers() -> None:
    """What the steps keep in arrays never reaches memory: their loads would wait for the stores."""
    assembly = scanned(sums, "acc", 16, N=1024).kernel.compile(target="x86-64-v4").asm
    inner = max(re.split(r"\n\.LBB", assembly), key=lambda part: part.count("vaddps"))
    assert inner.count("vaddps") >= 5 and "rsp" not in inner


def test_what_is_no_scan_is_refused() -> None:
    @gm.kernel
    def fed(x: f32[N]):
        acc = f32(0.0)
        for i in range(N - 1):
            acc += x[i]
            x[i + 1] = acc

    @gm.kernel
    def twice(x: f32[N]) -> f32[N]:
        y = gm.zeros((N,), f32)
        for i in range(2, N):
            y[i] = y[i - 1] + y[i - 2] + x[i]
        return y

    @gm.kernel
    def far(x: f32[N]) -> f32[N]:
        y = gm.zeros((N,), f32)
        for i in range(3, N):
            y[i] = y[i - 3] + x[i]
        return y

    @gm.kernel
    def decayed(x: f32[N]) -> f32[N]:
        y = gm.zeros((N,), f32)
        acc = f32(0.0)
        for i in range(N):
            acc = 0.5 * acc + x[i]
            y[i] = acc
        return y

    with pytest.raises(ScheduleError, match=r"iteration l=\d+ .*stores to x .* iteration l=\d+ reads x|too early"):
        scanned(fed, "acc", N=65)
    for kernel, buffer in ((twice, "y"), (far, "y"), (decayed, "acc")):
        with pytest.raises(ScheduleError, match="keeps no running value"):
            scanned(kernel, buffer, N=66 if kernel is twice else 67)
        assert "scan" not in kernel.schedule("cpu", N=1000).text


def test_strict_sums_stay_in_order() -> None:
    @gm.kernel(fp="strict")
    def strict(x: f32[N]) -> f32[N]:
        y = gm.empty((N,), f32)
        acc = f32(0.0)
        for i in range(N):
            acc += x[i]
            y[i] = acc
        return y

    with pytest.raises(ScheduleError, match="strict: the order of its sums stays"):
        scanned(strict, "acc", N=64)


def test_a_name_keeps_its_value() -> None:
    @gm.kernel
    def moved(x: f32[N]) -> f32[N]:
        y = gm.empty((N,), f32)
        acc = f32(0.0)
        for i in range(N):
            t = x[i]
            acc += t
            x[i] = 0.0
            y[i] = acc - t
        return y

    with pytest.raises(ScheduleError, match="used after x may have changed"):
        scanned(moved, "acc", N=64)
