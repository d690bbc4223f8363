"""Every kernel of the corpus gives its reference's values, with identical bits, in every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus import CASES, Case
from needs import needs

from gemel.hwsynth import judges
from gemel.parser import parse
from gemel.semantics.equal import same
from gemel.semantics.text import print_kernel

each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def outcome(case: Case, run: Any) -> list[np.ndarray]:
    """What a run changed or returned, as a list of plain arrays."""
    arguments = case.arguments()
    result = run(*arguments)
    if case.in_place:
        return [np.asarray(a) for a in arguments if isinstance(a, np.ndarray)]
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def expected(case: Case) -> list[np.ndarray]:
    result = case.reference(*case.arguments())
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def assert_same(got: list[np.ndarray], want: list[np.ndarray]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def simulated(case: Case, design: Any, engine: str) -> tuple[list[np.ndarray], int]:
    """The outcome of a simulation, and its cycles."""
    cycles: list[int] = []

    def run(*arguments: Any) -> Any:
        ran = design.simulate(*arguments[: len(design.source.params)], engine=engine)
        cycles.append(ran.cycles)
        return ran.outputs

    return outcome(case, run), cycles[0]


@each_case
def test_interpreter_and_cpu(case: Case) -> None:
    want = expected(case)
    assert_same(outcome(case, case.kernel.interpret), want)
    assert_same(outcome(case, case.kernel), want)


@each_case
def test_native_simulation_and_predicted_cycles(case: Case) -> None:
    design = case.kernel.synth_for(*case.arguments(), target="ecp5", clock_mhz=100)
    got, cycles = simulated(case, design, "native")
    assert_same(got, expected(case))
    assert design.cycles in (None, cycles)


@each_case
def test_design_kernel_has_the_same_bits(case: Case) -> None:
    """`Design.kernel` is the kernel in the order in which the hardware computes; it runs like any kernel."""
    design = case.kernel.synth_for(*case.arguments())
    taken = len(design.kernel.ir.params)  # static arguments are in it
    assert_same(outcome(case, lambda *a: design.kernel.interpret(*a[:taken])), expected(case))
    assert_same(outcome(case, lambda *a: design.kernel(*a[:taken])), expected(case))


@pytest.mark.slow
@each_case
def test_other_simulators_and_judges(case: Case) -> None:
    needs("verilator", "c++", "icarus")
    design = case.kernel.synth_for(*case.arguments())
    want = expected(case)
    _, native_cycles = simulated(case, design, "native")
    for engine in ("verilator", "icarus"):
        got, cycles = simulated(case, design, engine)
        assert_same(got, want)
        assert cycles == native_cycles
    assert judges.lint_verilator(design.verilog) == ()
    assert judges.lint_slang(design.verilog) == ()
    assert judges.lint_icarus(design.verilog) == ()
    assert judges.check_yosys(design.verilog, design.source.name) == ()


@each_case
def test_text_round_trip(case: Case) -> None:
    statics, _ = case.kernel._split(case.arguments(), {})
    kernel = case.kernel.specialize(**statics).ir if statics else case.kernel.ir
    text = print_kernel(kernel)
    again = parse(text)
    assert same(kernel, again)
    assert print_kernel(again) == text
