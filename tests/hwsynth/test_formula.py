"""Cycles as a formula in the sizes: what simulation takes, at sizes that the formula was not made from."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

import gemel as gm
from gemel import Kernel, i32
from gemel.bench.hardware import plain
from gemel.hwsynth import Design
from gemel.hwsynth.formula import Family, Formula, formula
from gemel.hwsynth.report import LoopReport, Report
from gemel.semantics.samples import sample
from gemel.semantics.span import BUILTIN

M, N = gm.dims("M N")


@gm.kernel
def scaled(x: i32[M, N], factor: i32) -> i32[M, N]:
    out = gm.zeros((M, N), i32)
    for i, j in gm.grid(M, N):
        out[i, j] = x[i, j] * factor
    for i in range(M):
        out[i, 0] = 0
    return out


@gm.kernel
def triangle(x: i32[N, N]) -> i32[N]:
    out = gm.zeros((N,), i32)
    for i in range(N):
        for j in range(i + 1):
            out[i] += x[i, j]
    return out


@gm.kernel
def last(x: i32[N]) -> i32:
    found: i32 = 0
    while found < N - 1 and x[found] != 0:
        found += 1
    return found


def cycles_of(design: Design) -> int:
    return design.simulate(*sample(design.source)).cycles


def inside(found: Formula, seed: int) -> dict[str, int]:
    """Sizes at random for which the formula holds, small ones so that simulating is quick."""
    choose = random.Random(seed)
    return {name: choose.choice(list(sizes)[:12]) for name, sizes in found.ranges.items()}


CASES = [
    pytest.param(scaled, {"M": 5, "N": 6}, id="scaled"),
    pytest.param(triangle, {"N": 8}, id="triangle", marks=pytest.mark.slow),
    *(
        pytest.param(getattr(plain, name), sizes, id=name, marks=pytest.mark.slow)
        for name, sizes in (
            ("product", {"M": 6, "N": 7, "K": 8}),
            ("gemm", {"M": 8, "N": 8, "K": 8}),
            ("atax", {"M": 8, "N": 8}),
            ("gesummv", {"N": 9}),
            ("fir", {"N": 20, "T": 5}),
            ("syrk", {"M": 8, "N": 8}),
        )
    ),
]


@pytest.mark.parametrize(("kernel", "sizes"), CASES)
def test_simulation_takes_what_the_formula_says(kernel: Kernel, sizes: dict[str, int]) -> None:
    found = kernel.synth(**sizes).report.formula
    assert found is not None
    assert all(set(range(4, 9)) & set(r) for r in found.ranges.values())
    for seed in range(5):
        other = inside(found, seed)
        assert found(**other) == cycles_of(kernel.synth(**other)), other


def test_it_is_printed(tmp_path: Any) -> None:
    report = scaled.synth(M=5, N=6).report
    assert f"= {report.formula}" in str(report)
    assert "M*N" in report.save(tmp_path / "x.html").read_text()
    assert "formula" not in repr(report) and "M*N" not in repr(report)


def test_cycles_that_depend_on_data_have_none() -> None:
    assert last.synth(N=8).report.formula is None


def made(sizes: dict[str, int], cycles: Any, depth: Any = lambda **_: 3) -> Formula | None:
    """The formula of what would have these cycles and depths."""

    def report(at: Any) -> Report:
        row = LoopReport("i", 0, BUILTIN, 1, 1, depth(**at), "", ())
        return Report("k", "t", 100.0, cycles(**at), (row,), ())

    return formula(Family(sizes, report))


def test_polynomials_are_found_exactly() -> None:
    found = made({"N": 7}, lambda N: N * (N + 1) // 2 + 9)
    assert found is not None
    assert found.ways[0].terms == {(2,): Fraction(1, 2), (1,): Fraction(1, 2), (0,): 9}
    assert found.expression == "(N**2 + N + 18)/2"
    assert found(N=10) == 64
    mixed = made({"M": 4, "N": 9}, lambda M, N: 3 * M * N * N - 5 * N + M - 2)
    assert mixed is not None and mixed.expression == "3*M*N**2 + M - 5*N - 2"


def test_it_holds_where_the_pipelines_are_the_same() -> None:
    found = made({"N": 16}, lambda N: 4 * N + (N >= 60), lambda N: 3 if 6 <= N < 60 else 4)
    assert found is not None
    assert (found.ranges["N"].start, found.ranges["N"][-1]) == (6, 18)
    assert found(N=8) == 32
    with pytest.raises(ValueError, match="outside"):
        found(N=80)


def test_steps_between_sizes_with_the_same_loops() -> None:
    found = made({"N": 16}, lambda N: N // 4 * 5 + 1, lambda N: 3 + N % 4)
    assert found is not None
    assert str(found) == "(5*N + 4)/4 for N from 4 to 256 in steps of 4"


def test_what_is_no_polynomial_has_no_formula() -> None:
    assert made({"N": 10}, lambda N: 2**N) is None
    assert made({"N": 10}, lambda N: None) is None
