"""How much of three public suites the language covers, by engine: `python benchmarks/suite_coverage.py [suite ...]`.

For each kernel: does it trace; does the interpreter agree with the NumPy reference; does the CPU; does the RTL (native
simulation) give the CPU's bits; how many obligations does the verifier prove. `-k name` takes one kernel alone.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable

from harness import Row, report
from suites.case import Case, Suite, arguments, close, identical, outcome

from gemel.errors import GemelError

SUITES = ("polybench", "npbench", "machsuite")
YES = "yes"


def load(name: str) -> Suite:
    """The suite's cases."""
    return importlib.import_module(f"suites.{name}").suite  # type: ignore[no-any-return]


def attempt(step: Callable[[], str]) -> str:
    """What a step says, or the error that it raised, on one line."""
    try:
        return step()
    except GemelError as error:
        return f"{error.code}: {error.what}"[:60]


def traced(case: Case) -> str:
    """Whether the kernel traces to IR."""
    _ = case.kernel.ir
    return YES


def interpreted(case: Case) -> str:
    """Whether the interpreter agrees with the reference at tiny sizes."""
    args = arguments(case, case.tiny)
    return close(outcome(case.kernel.interpret, args), outcome(case.reference, args), case.rtol) or YES


def on_cpu(case: Case) -> str:
    """Whether native code agrees with the reference at both sizes, and with the interpreter bit for bit."""
    args = arguments(case, case.tiny)
    got = outcome(case.kernel, args)
    by_default = case.kernel.schedule_for(*args, start="cpu").kernel
    if not identical(got, outcome(by_default.interpret, args)):
        return "other bits than the interpreter"
    args = arguments(case, case.small)
    return close(outcome(case.kernel, args), outcome(case.reference, args), case.rtol) or YES


def in_rtl(case: Case) -> str:
    """Whether the RTL gives the bits of its kernel, scheduled as it is, at tiny sizes; in how many cycles."""
    args = arguments(case, case.tiny)
    design = case.kernel.synth_for(*args)
    cycles = 0

    def run(*a: object) -> object:
        nonlocal cycles
        simulated = design.simulate(*a)
        cycles = simulated.cycles
        return simulated.outputs

    got = outcome(run, args)
    if not identical(got, outcome(design.kernel, args)):
        return "other bits than the CPU"
    return close(got, outcome(case.reference, args), case.rtol) or f"{cycles} cycles"


def verified(case: Case) -> str:
    """How many obligations are proved for all sizes, and in what time."""
    start = time.perf_counter()
    found = case.kernel.verify().obligations
    proved = sum(o.status == "proved" for o in found)
    return f"{proved}/{len(found)} in {time.perf_counter() - start:.1f} s"


COLUMNS: dict[str, Callable[[Case], str]] = {
    "expressible": traced,
    "interpreter": interpreted,
    "CPU": on_cpu,
    "RTL": in_rtl,
    "verified": verified,
}


def main() -> None:
    """Runs the suites that were asked for and keeps the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", default=SUITES)
    parser.add_argument("-k", dest="only", default="")
    parser.add_argument("--columns", default=",".join(COLUMNS))
    options = parser.parse_args()
    columns = options.columns.split(",")
    for name in options.suites:
        suite = load(name)
        rows: list[Row] = [
            {
                "kernel": case.name,
                **{c: attempt(lambda c=c, case=case: COLUMNS[c](case)) for c in columns},
                "why": case.note,
            }  # type: ignore[misc]
            for case in suite.cases
            if options.only in case.name
        ]
        rows += [{"kernel": s.name, columns[0]: f"no: {s.why}"} for s in suite.skipped]
        report(f"coverage_{name}", rows)


if __name__ == "__main__":
    main()
