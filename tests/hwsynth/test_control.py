"""Loop nests as pipelines: triangular and imperfect ones, pauses between turns, and cycles known before a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import i32, u8, u32
from gemel.fuzzing.campaign import Slice
from gemel.hwsynth import Design
from gemel.hwsynth.count import Fixed, Turns, cycles, total
from gemel.semantics import build, ops
from gemel.semantics.dtypes import INDEX
from gemel.semantics.ir import Ref, Var
from gemel.semantics.span import BUILTIN

N = gm.dims("N")


@gm.kernel
def lower(A: i32[N, N], x: i32[N], y: i32[N]):
    """A triangular product: what stands around the inner loop runs in its first and last turn."""
    for i in range(N):
        total: i32 = y[i]
        for j in range(i):
            total += A[i, j] * x[j]
        y[i] = total


@gm.kernel
def upper(A: i32[N, N], x: i32[N], y: i32[N]):
    """A loop that starts at its neighbour's counter, downwards around."""
    for back in range(N):
        i = N - 1 - back
        for j in range(i + 1, N):
            y[i] -= A[i, j] * x[j]


@gm.kernel
def solve(L: u32[N, N], x: u32[N], b: u32[N]):
    """Each turn needs the last one's quotient: the nest pauses between turns."""
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] = x[i] - L[i, j] * x[j]
        x[i] = x[i] // (L[i, i] | 1)


@gm.kernel
def trapezoid(a: i32[N], out: i32[N, N]):
    """Three levels, of which the inner two may be empty."""
    for i in range(N):
        for j in range(i):
            for k in range(j, 3):
                out[i, j] += a[k % N] * a[i]
            out[j, i] = a[j] - a[i]


@gm.kernel
def kept(a: i32[N], out: i32[N]):
    """A value from before the inner loop that is held through its turns, and one that the outer loop carries."""
    best: i32 = 0
    for i in range(N):
        scale = (a[i] * a[i] + best) // 3
        for j in range(2 + i):
            out[j % N] += scale
        best = gm.maximum(best, out[i])


@gm.kernel
def sequences(a: i32[N], out: i32[N]):
    """Several loops in a loop: not one pipeline, but counted all the same."""
    for i in range(N):
        for j in range(i):
            out[i] += a[j]
        for j in range(i, N):
            out[j] -= a[i]


KERNELS = (lower, upper, solve, trapezoid, kept, sequences)


def arguments(kernel: Any, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(n)
    params = kernel.specialize(N=n).ir.params
    shapes = [(tuple(int(d.value) for d in p.shape), p.dtype) for p in params]
    return [rng.integers(0, 99, shape).astype(np.uint32 if dtype == u32 else np.int32) for shape, dtype in shapes]


def run(kernel: Any, n: int) -> Design:
    design: Design = kernel.synth(N=n, target="ecp5", clock_mhz=100)
    want, got = arguments(kernel, n), arguments(kernel, n)
    kernel.specialize(N=n).interpret(*want)
    simulated = design.simulate(*got)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert simulated.cycles == design.cycles
    return design


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.__name__)
def test_same_bits_in_the_predicted_cycles(kernel: Any, n: int) -> None:
    run(kernel, n)


def test_a_triangle_is_one_pipeline() -> None:
    design = run(lower, 8)
    assert [(r.name, r.ii) for r in design.report.loops] == [("i, j", 1)]
    assert design.cycles is not None
    assert design.cycles <= 29 + 10  # a turn for each product, one where there is none, and what is under way


def test_a_long_recurrence_between_turns_pauses_between_turns_only() -> None:
    @gm.kernel
    def chained(a: u32[N], out: u32[N, 4]):
        s: u32 = 4000000000
        for i in range(N):
            s = s // (a[i] | 1)
            for j in range(4):
                out[i, j] = s + j

    design = run(chained, 8)
    (loop,) = design.report.loops
    assert (loop.name, loop.ii) == ("i, j", 1)
    assert design.cycles is not None and design.cycles > 32 + loop.depth  # 32 iterations, and pauses


def test_loops_in_a_row_are_counted() -> None:
    assert run(sequences, 6).report.loops[0].trips == 6


def test_a_bound_that_depends_on_data_is_not_static() -> None:
    @gm.kernel
    def first(a: u8[N], n: u8) -> u32:
        found: u32 = 0
        for i in range(n):
            for j in range(i):
                found += a[j]
        return found

    a = np.arange(9, dtype=np.uint8)
    design = first.synth(N=9)
    assert design.cycles is None
    assert design.simulate(a, 5).outputs == first.specialize(N=9).interpret(a, 5)


# -------------------------------------------------------------------------------------------------------------- counts


def test_counts_add_up() -> None:
    i, j = Var("i", INDEX, BUILTIN), Var("j", INDEX, BUILTIN)
    inner = Turns(j, build.index(0), Ref(i, BUILTIN), 2, Fixed(3), Fixed(1))
    whole = total(Turns(i, build.index(0), build.index(7), 1, total(inner, Fixed(2)) or inner), Fixed(5))
    assert whole is not None
    want = 5 + sum(2 + (3 * len(range(0, n, 2)) or 1) for n in range(7))
    assert cycles(whole, {}) == want


def test_downward_counts() -> None:
    i, j = Var("i", INDEX, BUILTIN), Var("j", INDEX, BUILTIN)
    hi = build.apply(ops.SUB, Ref(i, BUILTIN), build.index(3), span=BUILTIN)
    whole = Turns(i, build.index(9), build.index(1), -2, Turns(j, Ref(i, BUILTIN), hi, -1, Fixed(1)))
    assert cycles(whole, {}) == sum(len(range(n, n - 3, -1)) for n in range(9, 1, -2))


# --------------------------------------------------------------------------------------------------------------- drawn


def drawn(examples: int) -> None:
    failure = Slice("control", 1, examples).run()
    assert failure is None, f"{failure.what}\n{failure.case}"


def test_drawn_nests() -> None:
    drawn(4)


@pytest.mark.slow
def test_more_drawn_nests() -> None:
    drawn(25)


@gm.kernel
def box(A: i32[N, 8, 3, 4], total: i32[N]):
    """The loops of 8 turns and the one around are one number, which begins where that does."""
    for i in range(2, N):
        for j in range(8):
            for k, m in gm.grid(3, 4):
                total[i] += A[i, j, k, m] * (j + 1)


@gm.kernel
def downwards(A: i32[N, 5], B: i32[N, 5]):
    for i in range(N - 1, -1, -2):
        for j in range(4, 0, -1):
            B[i, j] = A[i, j] + j


@pytest.mark.parametrize(("kernel", "number"), [(box, "i_j_count"), (downwards, "j")], ids=["one number", "downwards"])
def test_counters_are_where_they_begin_after_each_run(kernel: Any, number: str) -> None:
    design = run(kernel, 6)
    assert f"  {number} <= " in design.verilog
    assert design.prove().ok  # any number of runs
