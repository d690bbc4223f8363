"""The kernels of public suites against references in NumPy, and the engines against each other bit for bit."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from suites.case import Case, arguments, close, identical, outcome

CASES = [
    pytest.param(case, id=f"{name}/{case.name}")
    for name in ("polybench", "npbench", "machsuite")
    for case in importlib.import_module(f"suites.{name}").suite.cases
]


LONG = {"npbench/arc_distance", "npbench/channel_flow", "npbench/lenet", "machsuite/fft/transpose"}
MARKED = [pytest.param(*c.values, id=c.id, marks=[pytest.mark.slow] * (c.id in LONG)) for c in CASES]


@pytest.mark.parametrize("case", MARKED)
def test_interpreter_and_cpu(case: Case) -> None:
    args = arguments(case, case.tiny)
    found = outcome(case.kernel.interpret, args)
    assert close(found, outcome(case.reference, args), case.rtol) == ""
    by_default = case.kernel.schedule_for(*args, start="cpu").kernel
    assert identical(outcome(by_default.interpret, args), outcome(case.kernel, args))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_larger_sizes_on_the_cpu(case: Case) -> None:
    args = arguments(case, case.small)
    assert close(outcome(case.kernel, args), outcome(case.reference, args), case.rtol) == ""


@pytest.mark.parametrize("case", [c for c in CASES if c.id and c.id.startswith("polybench")])
def test_polybench_is_proved_for_all_sizes(case: Case) -> None:
    report = case.kernel.verify()
    assert report.ok, str(report)


IN_RTL = {
    *(f"machsuite/{name}" for name in ("kmp/kmp", "nw/nw", "sort/merge", "stencil/stencil2d", "bfs/queue", "aes/aes")),
    *("npbench/symm", "npbench/azimint_naive"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.id in IN_RTL])
def test_as_rtl_with_the_bits_of_the_kernel_that_it_is_made_of(case: Case) -> None:
    args = arguments(case, case.tiny)
    design = case.kernel.synth_for(*args)
    assert identical(outcome(lambda *a: design.simulate(*a).outputs, args), outcome(design.kernel, args))


def test_aes_of_the_standard() -> None:
    """FIPS 197, appendix C.3."""
    case = next(c.values[0] for c in CASES if c.id == "machsuite/aes/aes")
    assert isinstance(case, Case)
    block = np.array([0x11 * n for n in range(16)], np.uint8)
    case.kernel(np.arange(32, dtype=np.uint8), block)
    assert bytes(block).hex() == "8ea2b7ca516745bfeafc49904b496089"
