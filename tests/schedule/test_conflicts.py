"""Illegal steps: each is refused with two iterations that conflict, what each does, and the line where it does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from schedule.test_steps import gemm, matrices, same_bits, shifted, skewed, total

import gemel as gm
from gemel import f32, i32
from gemel.errors import ScheduleError
from gemel.schedule import Schedule

M, N, K = gm.dims("M N K")


@gm.kernel
def earlier(a: f32[N]):
    for i in range(N - 1):
        a[i] = a[i + 1] * 0.5


@gm.kernel
def last(a: i32[N], b: i32[N]):
    for i in range(N):
        a[0] = b[i]


@gm.kernel
def far(a: f32[N]):
    for i in range(N - 5):
        a[i + 5] = a[i] + 1.0


@gm.kernel
def overlapping(x: f32[M, N], y: f32[M + N]):
    for i, j in gm.grid(M, N):
        y[i + j] = x[i, j]


@gm.kernel
def strides(a: i32[3 * N]):
    for i in range(N):
        a[2 * i] = a[3 * i] + 1


@gm.kernel
def wavefront(a: f32[M, N]):
    for i, j in gm.grid(M - 1, N - 1):
        a[i + 1, j + 1] = a[i, j + 1] + a[i + 1, j]


@gm.kernel
def across(a: f32[M, N]):
    for i, j in gm.grid(M - 1, N - 2):
        a[i + 1, j] = a[i, j + 2]


@gm.kernel
def deep(a: f32[K, M, N]):
    for k, i, j in gm.grid(K - 1, M - 1, N - 1):
        a[k + 1, i, j] = a[k, i + 1, j] + a[k, i, j + 1]


@gm.kernel
def two(a: f32[N], b: f32[N]):
    for i in range(N - 1):
        b[i] = a[i] * 2.0
        a[i + 1] = b[i] + 1.0


@gm.kernel
def counted(h: i32[8], x: i32[N]):
    for i in range(N):
        h[i % 8] += x[i]


@gm.kernel
def backwards(a: f32[N]) -> f32[N]:
    t = gm.empty((N,), f32)
    out = gm.empty((N,), f32)
    for i in range(N):
        t[i] = a[i] * 2.0
    for i in range(N):
        out[i] = t[N - 1 - i]
    return out


@gm.kernel
def ahead(a: f32[N], out: f32[N]):
    for i in range(N - 1):
        a[i] = out[i] * 2.0
    for i in range(N - 1):
        out[i] = a[i + 1]


@gm.kernel
def overwritten(a: f32[N], b: f32[N]):
    for i in range(N - 1):
        b[i] = a[i]
    for i in range(N - 1):
        a[i + 1] = 0.0


@gm.kernel
def rows_of(s: f32[M + 1], x: f32[M, N]):
    for i in range(M):
        x[i, 0] = s[i]
        for j in range(N):
            s[i + 1] = x[i, j]


@gm.kernel(fp="strict")
def strict(x: f32[8, 8]) -> f32[1]:
    s = gm.zeros((1,), f32)
    for i, j in gm.grid(8, 8):
        s[0] += x[i, j]
    return s


ILLEGAL: dict[str, Callable[[], Schedule]] = {
    "parallel: what an iteration before stores": lambda: shifted.schedule(N=9).parallel("i"),
    "parallel: what an iteration after stores": lambda: earlier.schedule(N=9).parallel("i"),
    "parallel: two store to one element": lambda: last.schedule(N=9).parallel("i"),
    "parallel: a distance of five": lambda: far.schedule(N=99).parallel("i"),
    "parallel: through another array": lambda: two.schedule(N=9).parallel("i"),
    "parallel: windows that overlap": lambda: overlapping.schedule(M=5, N=7).parallel("i"),
    "parallel: different strides": lambda: strides.schedule(N=9).parallel("i"),
    "parallel: neighbours in a row": lambda: wavefront.schedule(M=7, N=7).parallel("j"),
    "parallel: the rows of a wavefront": lambda: wavefront.schedule(M=7, N=7).parallel("i"),
    "parallel: one sum": lambda: total.schedule(N=9).parallel("i"),
    "parallel: a histogram": lambda: counted.schedule(N=99).parallel("i"),
    "parallel: sizes are open": lambda: shifted.schedule().parallel("i"),
    "vectorize: what an iteration before stores": lambda: shifted.schedule(N=9).vectorize("i"),
    "vectorize: five apart in eight lanes": lambda: far.schedule(N=13).vectorize("i"),
    "vectorize: one sum": lambda: gemm.schedule(M=8, N=8, K=8).vectorize("k"),
    "vectorize: after a split": lambda: far.schedule(N=99).split("i", 8, "t", "l").vectorize("l"),
    "reorder: one down and one to the left": lambda: skewed.schedule(M=8, N=8).reorder("j", "i"),
    "reorder: two to the left": lambda: across.schedule(M=8, N=8).reorder("j", "i"),
    "reorder: the innermost of three": lambda: deep.schedule(K=5, M=6, N=7).reorder("j", "k", "i"),
    "reorder: roundings in order": lambda: strict.schedule().reorder("j", "i"),
    "tile: blocks of a skewed nest": lambda: skewed.schedule(M=9, N=9).tile(i=4, j=4),
    "fuse: in the other direction": lambda: backwards.schedule(N=9).fuse("i", "i_1"),
    "fuse: one ahead": lambda: ahead.schedule(N=9).fuse("i", "i_1"),
    "fuse: overwritten too early": lambda: overwritten.schedule(N=9).fuse("i", "i_1"),
    "fission: what the inner loop hands on": lambda: rows_of.schedule(M=5, N=4).fission("j", "i"),
    "accumulate: several places for one element": lambda: gemm.schedule(M=8, N=8, K=8).accumulate(
        "C", "i_1", "j_1", "k"
    ),
}
ITERATION = r"iteration (\w+=-?\d+(?:, \w+=-?\d+)*) [a-z ]+ \w+ \(line (\d+)\)"
TOLD = re.compile(f"{ITERATION}, {ITERATION} the same element")


@pytest.mark.parametrize("name", ILLEGAL)
def test_refused_with_two_iterations(name: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        ILLEGAL[name]()
    found = TOLD.search(caught.value.what)
    assert caught.value.code == "K02" and found, str(caught.value)
    first, line, second, other = found.groups()
    assert first != second
    sources = [Path(__file__), Path(__file__).with_name("test_steps.py")]
    for n in map(int, (line, other)):
        lines = [source.read_text().splitlines()[n - 1 : n] for source in sources]
        assert any("=" in x for found_there in lines for x in found_there)
    assert caught.value.span is not None and caught.value.mend


def test_there_are_twenty() -> None:
    assert len(ILLEGAL) >= 20


def test_written_out_too_often() -> None:
    s = gemm.schedule(M=100, N=64, K=8).unroll("i_1")
    with pytest.raises(ScheduleError, match="written out 6,400 times") as caught:
        s.unroll("j_1")
    assert caught.value.code == "K03" and "4,096" in caught.value.mend


def test_tiles_that_registers_cant_hold_work() -> None:
    s = gemm.schedule(M=24, N=64, K=5).split("i_1", 24, "it", "ir").split("j_1", 64, "jt", "w").split("w", 16, "v", "l")
    s = s.reorder("it", "jt", "k", "ir", "v", "l").vectorize("l").unroll("ir", "v")
    s = s.accumulate("C", "jt", "ir", "v", "l").absorb("C", "jt")  # 96 vectors of f32
    a, b = matrices(24, 64, 5, np.float32)
    assert same_bits(s, a, b).tobytes() == gemm.interpret(a, b).tobytes()
