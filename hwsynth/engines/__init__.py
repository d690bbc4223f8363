"""The simulators of a system: `native` (compiled by LLVM, needs nothing else), `verilator`, `icarus` and `netlist`.

The last one is Icarus Verilog with the cells that yosys makes of the kernel.

Each of them builds a `Model` from a system, which then runs as often as wanted, each time from power-up.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gemel.hwsynth.engines.run import Model
from gemel.hwsynth.system import System
from gemel.semantics.errors import SynthesisError

ENGINES = ("native", "verilator", "icarus", "netlist")


def build(system: System, engine: str = "native", cycles: int | None = None) -> Model:
    """A model of the system for an engine of `ENGINES`; `cycles` is how long a run is expected to take, if known.

    Raises SynthesisError H06 for another name, N01 or N02 for an invalid netlist, ToolError X01 where a tool is
    missing, X02 where it fails, X03 where it takes too long.
    """
    if engine not in ENGINES:
        raise SynthesisError(f"unknown engine {engine!r}", code="H06", mend=f"use one of {', '.join(ENGINES)}")
    make: Callable[[System, int | None], Model] = import_module(f"gemel.hwsynth.engines.{engine}").build
    return make(system, cycles)
