"""Memory of large local arrays: kept between calls, never shared by two at once, given back with the kernel."""

from __future__ import annotations

import gc
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import gemel as gm
from gemel import f32, i32, index
from gemel.codegen import keeping

N, M = gm.dims("N M")
LARGE = 10_000_000
"""Elements of f32 that C's allocator returns to the system as soon as they are freed."""


def turned() -> gm.Kernel:
    @gm.kernel
    def turned(x: f32[N], at: index) -> f32:
        gm.requires(at < N)
        a = gm.empty((N,), f32)
        for i in range(N):
            a[i] = x[N - 1 - i] + 1.0
        assert x[0] >= 0.0
        return a[at] + a[0]

    return turned


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def resident() -> int:
    """Megabytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def test_no_page_is_new_on_later_calls() -> None:
    code, x = turned().compile(N=LARGE), np.ones(LARGE, np.float32)
    code(x, 5)
    before = faults()
    for _ in range(5):
        assert code(x, 5) == 4.0
    assert faults() - before < 20


def test_memory_goes_with_the_kernel() -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc")
    code, x = turned().compile(N=LARGE), np.ones(LARGE, np.float32)
    assert code(x, 5) == 4.0
    held = resident()
    del code
    gc.collect()
    assert resident() < held - 30


def test_memory_comes_back_after_a_failed_check() -> None:
    code, x = turned().compile(N=LARGE), np.ones(LARGE, np.float32)
    code(x, 5)
    x[0] = -1
    before = faults()
    for _ in range(5):
        with pytest.raises(gm.errors.CheckError):
            code(x, 5)
    assert faults() - before < 500


def test_beyond_a_limit_nothing_is_kept() -> None:
    assert "gemel.take" in turned().compile(N=LARGE).llvm
    huge = turned().compile(N=keeping.LARGEST // 4).llvm
    assert "gemel.take" not in huge and "aligned_alloc" in huge


def test_c_programs_keep_nothing() -> None:
    text = turned().compile(target="x86-64", N=LARGE).llvm
    assert "gemel.take" not in text and "aligned_alloc" in text


@gm.kernel
def summed(x: i32[M, N], seed: i32) -> i32[M]:
    rows = gm.empty((M, N), i32)
    for i in range(M):
        for j in range(N):
            rows[i, j] = x[i, N - 1 - j] * seed
    y = gm.zeros((M,), i32)
    for i in range(M):
        for j in range(N):
            y[i] += rows[i, j] ^ seed
    return y


@gm.kernel
def in_parts(x: i32[M, N], seed: i32) -> i32[M]:
    y = gm.zeros((M,), i32)
    for i in gm.parallel(range(M)):
        row = gm.empty((N,), i32)
        for j in range(N):
            row[j] = x[i, N - 1 - j] * seed
        for j in range(N):
            y[i] += row[j] ^ seed
    return y


@pytest.mark.parametrize("kernel", [summed, in_parts])
def test_calls_at_once_have_memory_of_their_own(kernel: gm.Kernel) -> None:
    """More threads than there are places for blocks."""
    x = np.arange(40 * 30_000, dtype=np.int32).reshape(40, -1)
    seeds = range(1, 4 * keeping.SLOTS)
    with ThreadPoolExecutor(2 * keeping.SLOTS) as pool:
        made = list(pool.map(lambda seed: kernel(x, seed), [*seeds] * 2))
    with np.errstate(over="ignore"):
        wanted = [((x * np.int32(s)) ^ np.int32(s)).sum(axis=1, dtype=np.int32) for s in seeds]
    for n, y in enumerate(made):
        assert (y == wanted[n % len(wanted)]).all()
