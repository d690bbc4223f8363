"""Every kernel of the corpus gives its reference's values, with identical bits, in every engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus import CASES, Case


def outcome(case: Case, run: Any) -> list[Any]:
    """What a run changed or returned, as a list of plain arrays."""
    arguments = case.arguments()
    result = run(*arguments)
    if case.in_place:
        return [np.asarray(a) for a in arguments if isinstance(a, np.ndarray)]
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def expected(case: Case) -> list[Any]:
    result = case.reference(*case.arguments())
    return [np.asarray(r) for r in (result if isinstance(result, tuple) else (result,))]


def assert_same(got: list[Any], want: list[Any]) -> None:
    assert len(got) == len(want)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_software(case: Case) -> None:
    want = expected(case)
    assert_same(outcome(case, case.kernel.interpret), want)
    assert_same(outcome(case, case.kernel), want)


def synthesized(case: Case) -> Any:
    """The design of a case at the sizes of its arguments."""
    return case.kernel.synth_for(*case.arguments(), target="ecp5", clock_mhz=100)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_native_rtl(case: Case) -> None:
    design = synthesized(case)
    cycles = []

    def simulate(*arguments: Any) -> Any:
        run = design.simulate(*arguments)
        cycles.append(run.cycles)
        return run.outputs

    assert_same(outcome(case, simulate), expected(case))
    assert design.cycles in (None, cycles[0])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_other_simulators(case: Case, engine: str = "verilator") -> None:
    design = synthesized(case)
    native = design.simulate(*case.arguments())
    for engine in ("verilator", "icarus"):
        assert_same(outcome(case, lambda *a, e=engine: design.simulate(*a, engine=e).outputs), expected(case))
        assert design.simulate(*case.arguments(), engine=engine).cycles == native.cycles
