"""The tables' kernels in every engine: are all bits the same? `python benchmarks/identity.py [group/name ...]`.

Interpreter, CPU, native simulation, Verilator, Icarus Verilog, and what yosys makes of the text (cells of a Xilinx
device, by yosys' models, in Icarus). The CPU has the order of computation that hardware has. The first is what is
right; kernels that it takes long for have the CPU instead. Patterns choose kernels.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

from harness import Row, report
from suites.case import identical, outcome

from gemel.bench.hardware.cases import Case, tables
from gemel.errors import GemelError

ENGINES = ("native", "verilator", "icarus", "netlist")
LONG = 20_000
"""Cycles beyond which Icarus isn't asked: it takes minutes then."""


def compared(case: Case) -> Row:
    """A row: what each engine gave."""
    kernel = case.kernel()
    design = kernel.synth_for(*case.arguments(), target=case.target, clock_mhz=1000 / case.clock_ns)
    start = time.perf_counter()
    native = design.kernel
    want = outcome(native if case.large else kernel.interpret, case.arguments())
    row: dict[str, object] = {"kernel": f"{case.group}/{case.name}", "cycles": design.cycles}
    row["interpreter"] = "" if case.large else "is right"
    row["CPU"] = "is right" if case.large else said(native, case, want)
    for engine in ENGINES:
        if engine in ENGINES[2:] and (design.cycles or LONG) >= LONG:
            row[engine] = "too long"
            continue
        row[engine] = said(lambda *a, engine=engine: design.simulate(*a, engine=engine).outputs, case, want)
    return {**row, "s": round(time.perf_counter() - start, 1)}


def said(run: Callable[..., Any], case: Case, want: Any) -> str:
    """Whether a run gives the bits that are right."""
    try:
        return "same" if identical(outcome(run, case.arguments()), want) else "OTHER BITS"
    except GemelError as error:
        return f"{error.code}: {error.what}"[:60]


def main() -> None:
    """Runs the comparison."""
    patterns = sys.argv[1:] or ["*"]
    rows = []
    for case in tables():
        if any(fnmatch(f"{case.group}/{case.name}", p) for p in patterns):
            rows.append(compared(case))
            print(*rows[-1].values(), flush=True)
    report("identity", rows)


if __name__ == "__main__":
    main()
