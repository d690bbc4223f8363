"""Stores that pass by the caches: the same bits wherever the array lies, and refused where a cache serves."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel import f32, f64
from gemel.codegen.host import Host
from gemel.codegen.rules import elementwise
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

N = gm.dims("N")


@gm.kernel
def squares(a: f32[N], b: f32[N], c: f64[N]):
    for i in range(N):
        b[i] = a[i] * a[i]
        c[i] = gm.cast(a[i], f64)


@gm.kernel
def running(a: f32[N], b: f32[N]):
    for i in range(N - 1):
        a[i] = a[i + 1] + 1.0


@gm.kernel
def exponents(a: f32[N]) -> f32[N]:
    return gm.exp(a)


def streamed(n: int, lanes: int = 16) -> Schedule:
    s = squares.schedule(N=n).split("i", lanes, "t", "l").vectorize("l")
    return s.stream("b", "t").stream("c", "t")


@pytest.mark.parametrize("lanes", [2, 4, 16, 64])
@pytest.mark.parametrize("offset", [0, 1, 4, 7])
def test_arrays_may_lie_anywhere(offset: int, lanes: int) -> None:
    n = 133
    a = np.random.default_rng(n).standard_normal(n, dtype=np.float32)
    b, c = np.zeros(n + 8, np.float32)[offset : offset + n], np.zeros(n + 8)[offset : offset + n]
    streamed(n, lanes).kernel(a, b, c)
    assert b.tobytes() == (a * a).tobytes() and c.tobytes() == a.astype(np.float64).tobytes()


def test_the_code_has_such_stores_and_a_fence() -> None:
    text = streamed(128).kernel.compile().llvm
    assert text.count("!nontemporal") == 4 + 8 and text.count("fence seq_cst") == 1
    plain = squares.schedule(N=128).split("i", 16, "t", "l").vectorize("l").kernel.compile().llvm
    assert "!nontemporal" not in plain and "fence" not in plain


def test_threads_fence_what_they_stored() -> None:
    s = squares.schedule(N=512).split("i", 128, "p", "w").split("w", 16, "t", "l").vectorize("l")
    s = s.stream("b", "t").parallel("p")
    a, b, c = np.arange(512, dtype=np.float32), np.zeros(512, np.float32), np.zeros(512)
    s.kernel(a, b, c)
    assert b.tobytes() == (a * a).tobytes()
    assert s.kernel.compile().llvm.count("fence seq_cst") == 1


def test_what_is_read_again_is_refused() -> None:
    with pytest.raises(ScheduleError, match="the loop i reads a in line 28"):
        running.schedule(N=40).stream("a", "i")
    with pytest.raises(ScheduleError, match="the loop i doesn't store to b"):
        running.schedule(N=40).stream("b", "i")


def test_replayed_and_proved() -> None:
    s = streamed(40)
    again = squares.schedule(N=40).replay(s.text)
    assert again.text == s.text and again.validate().ok


def test_by_default_only_what_no_cache_holds() -> None:
    start = exponents.schedule(N=4096)._inner
    assert "stream('result', 'i_t')" in elementwise.schedule(start, Host(l3_bytes=8 << 10)).text
    assert "stream" not in elementwise.schedule(start, Host(l3_bytes=16 << 10)).text
