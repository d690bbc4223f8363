"""The same bits everywhere: interpreter, CPU, native simulation, Verilator, Icarus Verilog, and yosys' netlist."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gemel.bench.hardware.cases import Case
from gemel.bench.hardware.runs import Outcome, outcome, same, simulated, told
from gemel.errors import GemelError, ToolError

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design

SIMULATORS = ("native", "verilator", "icarus", "netlist")


def everywhere(case: Case, design: Design, wanted: Outcome) -> dict[str, str]:
    """For each engine "same", "other values", or why it didn't run."""
    runs: dict[str, Callable[[], Outcome]] = {
        "interpreter": lambda: outcome(case.kernel().interpret, case.arguments()),
        "cpu": lambda: outcome(design.kernel, case.arguments()),
        **{e: lambda e=e: simulated(case, design, e)[0] for e in SIMULATORS},  # type: ignore[misc]
    }
    if case.large:
        del runs["interpreter"], runs["icarus"], runs["netlist"]
    return {name: _attempt(run, wanted) for name, run in runs.items()}


def _attempt(run: Callable[[], Outcome], wanted: Outcome) -> str:
    try:
        return "same" if same(run(), wanted) else "other values"
    except ToolError as error:
        return f"not run: {told(error)}"
    except GemelError as error:
        return told(error)
