"""Local arrays with as many read ports as loops need, the same at all sizes; what tools make of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gemel as gm
from gemel import u32
from gemel.hwsynth import Design
from gemel.hwsynth.kinds import MemoryKind, kind_of, most_reads
from gemel.hwsynth.targets import target
from gemel.semantics.samples import sample

M, N = gm.dims("M N")


@gm.kernel
def square(A_in: u32[N, M], C: u32[N, N]):
    """Two rows of one array at once; banks would not keep them apart."""
    A = gm.empty((N, M), u32)
    for i, j in gm.grid(N, M):
        A[i, j] = A_in[i, j]
    for i, j, k in gm.grid(N, N, M):
        C[i, j] += A[i, k] * A[j, k]


@gm.kernel
def beside(A: u32[N, N], B: u32[N, N], y: u32[N]):
    """What is made of two sums after the inner loop, no turn of it waits for."""
    for i in range(N):
        s: u32 = 0
        t: u32 = 0
        for j in range(N):
            s += A[i, j]
            t += B[i, j]
        t = 3 * s + 5 * t
        y[i] = t


def reads(design: Design) -> dict[str, int]:
    return {m.name: m.reads for m in design.report.memories}


def intervals(design: Design) -> list[int | None]:
    return [r.ii for r in design.report.loops if r.ii is not None]


def run(kernel: Any, engine: str = "native", **sizes: int) -> Design:
    """Bits as the interpreter's, in the cycles that were predicted."""
    design: Design = kernel.synth(target="xcup", clock_mhz=140, **sizes)
    want, got = sample(design.source), sample(design.source)
    kernel.specialize(**sizes).interpret(*want)
    simulated = design.simulate(*got, engine=engine)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert simulated.cycles == design.cycles
    return design


def test_two_reads_of_a_local_array_have_two_ports() -> None:
    design = run(square, N=4, M=6)
    assert intervals(design) == [1, 1]
    assert reads(design) == {"A_in": 1, "C": 1, "A": 2}


def test_one_port_where_more_would_not_help() -> None:
    @gm.kernel
    def twice(A_in: u32[N], B: u32[N], out: u32[N]):
        A = gm.empty((N,), u32)
        for i in range(N):
            A[i] = A_in[i]
        for i in range(N):
            out[i] = A[B[i] % N] + A[i] + B[N - 1 - i]

    design = run(twice, N=8)
    assert reads(design)["A"] == 1  # both loops begin an iteration every two cycles: B is outside, with one port
    assert intervals(design)[-1] == 2


@pytest.mark.slow
def test_ports_are_settled_for_all_sizes_of_a_formula() -> None:
    design = run(square, N=12, M=8)
    found = design.report.formula
    assert found is not None
    assert found.ranges["N"].stop > 40  # 40 rows are a block RAM, 12 aren't
    other = {"N": 13, "M": 9}
    assert found(**other) == run(square, **other).cycles


def test_what_follows_an_inner_loop_keeps_no_turn_waiting() -> None:
    assert intervals(run(beside, N=6)) == [1]


@pytest.mark.parametrize(
    ("name", "words", "constant", "kind", "most"),
    [
        ("xcup", 64, False, MemoryKind.TABLES, 4),
        ("xcup", 4096, False, MemoryKind.BLOCK, 2),
        ("ecp5", 32, False, MemoryKind.TABLES, 4),
        ("ecp5", 64, True, MemoryKind.LOGIC, 4),
        ("ecp5", 512, True, MemoryKind.BLOCK, 2),
        ("osu018", 64, False, MemoryKind.REGISTERS, 4),
    ],
)
def test_kinds(name: str, words: int, constant: bool, kind: MemoryKind, most: int) -> None:
    t = target(name)
    assert kind_of(t, words, constant) is kind
    assert most_reads(t, words, constant) == most


# ------------------------------------------------------------------------------------- reads that never happen together


@gm.kernel
def product(A: u32[N, N], B: u32[N, M]):
    """`B[i, j]` before the loop and `B[k, j]` in it, which has no turn at all for the last `i`."""
    for i, j in gm.grid(N, M):
        for k in range(i + 1, N):
            B[i, j] = A[k, i] * B[k, j] + B[i, j]
        B[i, j] = 3 * B[i, j]


@gm.kernel
def symmetric(A: u32[N, N], B: u32[N, M], C: u32[N, M]):
    """`B[i, j]` is needed in all turns of the loop and after it."""
    for i, j in gm.grid(N, M):
        s: u32 = 0
        for k in range(i):
            s += B[i, j] * A[i, k] + B[k, j]
        C[i, j] = s + B[i, j] * A[i, i]


@gm.kernel
def layered(a: u32[N], out: u32[N, N]):
    """Three loops, of which any but the outermost may be empty, values before each of them, and a step of 2."""
    for i in range(N):
        x = a[i] * 3 + i
        for j in range(i):
            y = a[j] + x
            s: u32 = a[i - j]
            for k in range(j, N - 2, 2):
                s += a[k] * y
            out[i, j] = s + x


@gm.kernel
def either(a: u32[N], b: u32[N], out: u32[N]):
    """One of two elements, by data."""
    for i in range(N):
        if b[i] % 3 == 0:
            out[i] = a[N - 1 - i] + 1
        else:
            out[i] = a[i] * 5


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [product, symmetric, layered, either], ids=lambda k: k.__name__)
def test_bits_with_shared_reads(kernel: Any, n: int) -> None:
    sizes = {"N": n, "M": 3} if kernel in (product, symmetric) else {"N": n}
    run(kernel, **sizes)


def test_a_turn_ahead_keeps_reads_of_one_port_apart() -> None:
    design = run(product, N=8, M=12)
    assert intervals(design) == [1]
    assert reads(design)["B"] == 1
    assert design.cycles is not None and design.cycles <= 12 * (28 + 8) + 8  # a turn more for each row


def test_elements_that_stay_are_read_ahead() -> None:
    assert intervals(run(symmetric, N=8, M=4)) == [1]


def test_reads_under_contrary_conditions_share_a_port() -> None:
    design = run(either, N=8)
    assert intervals(design) == [1]
    assert reads(design)["a"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["verilator", "icarus"])
@pytest.mark.parametrize("kernel", [product, layered, square], ids=lambda k: k.__name__)
def test_other_simulators_agree(kernel: Any, engine: str) -> None:
    run(kernel, engine, **({"N": 5} if kernel is layered else {"N": 5, "M": 3}))
