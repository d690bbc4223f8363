"""Elements of the interface's arrays that are kept in local ones; stores that wait for a free turn of their port."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import u32
from gemel.bench.hardware import tablec
from gemel.hwsynth import Design
from gemel.hwsynth.keeping import keep
from gemel.semantics.samples import sample

N = gm.dims("N")


@gm.kernel
def mirrored(y: u32[N], z: u32[N]):
    """Both ends of an array at once, after all of it has been stored."""
    for i in range(N):
        y[i] = z[i] + 1
    for i in range(N):
        z[i] = y[i] + 3 * y[N - 1 - i]


@gm.kernel
def partly(y: u32[N], z: u32[N]):
    """Here half of it has been."""
    for i in range(N // 2):
        y[i] = z[i] + 1
    for i in range(N):
        z[i] = y[i] + 3 * y[N - 1 - i]


@gm.kernel
def perhaps(y: u32[N], z: u32[N]):
    """What may have been stored was loaded before."""
    for i in range(N):
        w = y[i]
        if w > 7:
            y[i] = w + z[i]
    for i in range(N):
        z[i] = y[i] + 3 * y[N - 1 - i]


@gm.kernel
def unsure(y: u32[N], z: u32[N]):
    """Here only what may have been stored is known."""
    for i in range(N):
        if z[i] > 7:
            y[i] = z[i]
    for i in range(N):
        z[i] = y[i] + 3 * y[N - 1 - i]


@gm.kernel
def rows(A: u32[N, N]):
    """The row at work and one before it."""
    for i in range(N):
        for j in range(i):
            A[i, j] = A[i, j] + 1
        for j in range(i, N):
            for k in range(i):
                A[i, j] = A[i, j] - A[i, k] * A[k, j]


@gm.kernel
def above(C: u32[N, N], A: u32[N, N]):
    """The last turn of the inner loop stores two elements."""
    for i, j in gm.grid(N, N):
        total: u32 = 0
        for k in range(i):
            C[k, j] += A[i, k]
            total += 5 * A[i, k]
        C[i, j] = 3 * C[i, j] + total


@gm.kernel
def crossed(C: u32[N, N], A: u32[N, N]):
    """Here the other reads are of one array."""
    for i, j in gm.grid(N, N):
        total: u32 = 0
        for k in range(i):
            C[k, j] += A[i, k]
            total += A[k, j]
        C[i, j] = 3 * C[i, j] + total


def run(kernel: Any, engine: str = "native", **sizes: int) -> Design:
    """Bits as the interpreter's, in the cycles that were predicted."""
    design: Design = kernel.synth(target="xcup", clock_mhz=140, **sizes)
    want = sample(design.source)
    got, again = sample(design.source), sample(design.source)
    kernel.specialize(**sizes).interpret(*want)
    simulated = design.simulate(*got, engine=engine)
    design.kernel.interpret(*again)
    for a, b, c in zip(got, want, again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(c, b)
    assert simulated.cycles == design.cycles
    return design


def innermost(design: Design) -> list[int | None]:
    loops = design.report.loops
    return [a.ii for a, b in zip(loops, (*loops[1:], None), strict=True) if b is None or b.level <= a.level]


def kept(design: Design) -> dict[str, int]:
    return {m.name: m.words for m in design.report.memories if not m.external}


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("kernel", [mirrored, partly, perhaps, unsure, rows, above, crossed])
def test_same_bits(kernel: Any, n: int) -> None:
    run(kernel, N=n)


@pytest.mark.parametrize(
    ("kernel", "words"), [(mirrored, {"y_kept": 8}), (perhaps, {"y_kept": 8}), (partly, {}), (unsure, {})]
)
def test_what_is_certainly_there_is_kept(kernel: Any, words: dict[str, int]) -> None:
    design = run(kernel, N=8)
    assert kept(design) == words
    assert innermost(design)[-1] == (1 if words else 2)


def test_a_row_is_kept_rather_than_all() -> None:
    design = run(rows, N=8)
    assert kept(design) == {"A_kept": 8} and innermost(design)[-1] == 1


def test_a_store_waits_for_the_turn_in_which_its_port_is_free() -> None:
    design = run(above, N=8)
    assert innermost(design) == [1] and not kept(design)
    assert design.cycles is not None and design.cycles < 8 * 8 * 9 // 2 + 8 * 8


def test_nothing_is_kept_where_it_saves_no_cycle() -> None:
    @gm.kernel
    def slow(y: u32[N], z: u32[N], B: u32[N]):
        for i in range(N):
            y[i] = z[i]
        for i in range(N):
            z[i] = y[i] + y[N - 1 - i] + B[i] + B[N - 1 - i]

    assert keep(slow.specialize(N=8).ir) is not slow.specialize(N=8).ir
    assert not kept(run(slow, N=8))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cholesky", "durbin", "lu", "ludcmp", "symm"])
def test_published_kernels_begin_an_iteration_each_cycle(name: str) -> None:
    design = getattr(tablec, name).synth(target="xcup", clock_mhz=1000 / 7)
    assert set(innermost(design)) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["icarus", "verilator"])
@pytest.mark.parametrize("kernel", [rows, above, perhaps])
def test_other_simulators_agree(kernel: Any, engine: str) -> None:
    run(kernel, engine, N=5)
