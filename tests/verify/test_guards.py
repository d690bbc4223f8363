"""What is proved costs nothing: native code without the branch to a failure. Large kernels take their time."""

from __future__ import annotations

import re
import runpy
import time

import numpy as np
import pytest
import subjects

import gemel as gm
from gemel import i32
from gemel.errors import BoundsError

N = gm.dims("N")


def failures(llvm: str) -> int:
    """The branches of native code to a place that reports a failure."""
    return len(re.findall(r"br i1 [^\n]*%fail", llvm))


@gm.kernel
def picked(a: i32[N], start: i32[N + 1]) -> i32:
    gm.requires(start[0] == 0 and start[N] == N)
    gm.requires(all(start[i] <= start[i + 1] for i in range(N)))
    total: i32 = 0
    for i in range(N):
        for k in range(start[i], start[i + 1]):
            total += a[k]
    return total


def test_proved_code_has_no_guards() -> None:
    spmv = runpy.run_path(subjects.__file__)["spmv"]  # one that no other test has verified
    sizes = {"N": 4, "M": 5, "NNZ": 6}
    before = failures(spmv.compile(**sizes).llvm)
    assert spmv.verify().ok
    after = failures(spmv.compile(**sizes).llvm)
    assert 0 < after < before  # what is required stays checked
    assert failures(spmv.compile(N=7, M=2, NNZ=3).llvm) == after
    assert failures(subjects.gemm.compile(M=3, N=4, K=5).llvm) == 0


def test_calls_use_the_unguarded_code_at_every_size() -> None:
    for n in (3, 5):
        a, start = np.arange(n, dtype=np.int32), np.arange(n + 1, dtype=np.int32)
        assert picked(a, start) == a.sum()
        if n == 3:
            assert {o.status for o in picked.verify().obligations if o.kind == "bounds"} == {"proved"}
            assert picked(a, start) == a.sum()


@gm.kernel
def half_proved(a: i32[N], i: i32, j: i32) -> i32:
    gm.requires(0 <= i < N)
    return gm.cast(a[i] + a[j], i32)


def test_the_rest_is_guarded() -> None:
    assert [o.status for o in half_proved.verify().obligations] == ["proved", "refuted"]
    with pytest.raises(BoundsError):
        half_proved(np.zeros(3, np.int32), 0, 3)


def long(n: int) -> gm.Kernel:
    """A kernel of n statements."""

    @gm.kernel
    def many(a: i32[N], b: i32[N], at: i32) -> i32[N]:
        gm.requires(N > 4 and 0 <= at < N)
        c = gm.zeros((N,), i32)
        for i in range(N - 1):
            for q in gm.unroll(range(n)):
                c[i] = gm.cast(a[i + q % 2] + b[at], i32)
        return c

    return many


@pytest.mark.slow
def test_three_thousand_statements_take_linear_time() -> None:
    seconds = []
    for n in (300, 3000):
        k = long(n)
        assert str(k.ir)
        start = time.process_time()
        assert k.verify().ok
        seconds.append(time.process_time() - start)
    assert seconds[1] < 30 * seconds[0] + 1


@pytest.mark.slow
def test_deep_expressions() -> None:
    @gm.kernel
    def deep(a: i32[1024], at: i32) -> i32:
        gm.requires(0 <= at < 1024)
        e = a[at]
        for _ in gm.unroll(range(600)):
            e = (e ^ a[at]) & 1023
        return a[e]

    assert deep.verify().ok
