"""The kernels of public suites against references in NumPy, and the engines against each other bit for bit."""

from __future__ import annotations

import importlib

import pytest
from suites.case import Case, arguments, close, identical, outcome

CASES = [
    pytest.param(case, id=f"{name}/{case.name}")
    for name in ("polybench", "npbench", "machsuite")
    for case in importlib.import_module(f"suites.{name}").suite.cases
]


@pytest.mark.parametrize("case", CASES)
def test_interpreter_and_cpu(case: Case) -> None:
    args = arguments(case, case.tiny)
    found = outcome(case.kernel.interpret, args)
    assert close(found, outcome(case.reference, args), case.rtol) == ""
    assert identical(found, outcome(case.kernel, args))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_larger_sizes_on_the_cpu(case: Case) -> None:
    args = arguments(case, case.small)
    assert close(outcome(case.kernel, args), outcome(case.reference, args), case.rtol) == ""


@pytest.mark.parametrize("case", [c for c in CASES if c.id and c.id.startswith("polybench")])
def test_polybench_is_proved_for_all_sizes(case: Case) -> None:
    report = case.kernel.verify()
    assert report.ok, str(report)
