"""What yosys makes of a kernel as an engine: the cells of a Xilinx device, by its models of them, in Icarus Verilog.

The memories around the kernel and the testbench are as for Icarus. An FPGA's registers power up with a value, so that
unknown ones before the reset are no matter here; unknown bits in a result still are an error.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from gemel.hwsynth import tools
from gemel.hwsynth.engines.icarus import IcarusModel
from gemel.hwsynth.judges import through_yosys
from gemel.hwsynth.system import System

PASSES = "synth_xilinx -flatten -family xc7 -noiopad -nobram -top {top}"
"""To cells that yosys has models of: multipliers and LUT memories, but no block RAMs."""


class NetlistModel(IcarusModel):
    """A system with cells in the place of the kernel's text."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        kernel, around = self.printed[:-2], self.printed[-2:]
        text = "\n".join(p.text for p in kernel)
        cells = through_yosys(text, kernel[-1].name, PASSES)
        self.texts = (_models(), cells, *(p.text for p in around))


def _models() -> str:
    """Yosys' models of the cells; raises ToolError X01 without yosys."""
    spec = importlib.util.find_spec("pyosys")
    for place in map(Path, (spec.submodule_search_locations or ()) if spec else ()):
        path = place / "share" / "xilinx" / "cells_sim.v"
        if path.exists():
            return path.read_text(encoding="utf-8")
    raise tools.missing("yosys", "pip install 'gemel[hw]'")


def build(system: System, cycles: int | None) -> NetlistModel:
    """The model of a system; raises as `engines.build`."""
    return NetlistModel(system)
