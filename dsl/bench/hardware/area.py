"""What yosys makes of a design, in the resources of a family; kept by the text, so that nothing is done twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

TIMEOUT = 1800.0
"""Seconds for one design."""

LUTRAM: Mapping[str, int] = {
    "RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8, "RAM32X2S": 1,
    "RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8,
    "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM32X16DR8": 8, "RAM64X8SW": 8,
    "SRL16": 1, "SRL16E": 1, "SRLC16": 1, "SRLC16E": 1, "SRLC32E": 1,
    "DPR16X4C": 4, "TRELLIS_DPR16X4": 4,
}  # fmt: skip
"""LUTs that a memory or a shift register of LUTs takes."""
LOGIC: Mapping[str, int] = {**{f"LUT{n}": 1 for n in range(1, 7)}, "INV": 1, "SB_LUT4": 1, "LUT4": 1, "CCU2C": 2}
FLIPFLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "TRELLIS_FF")
DSP = ("DSP48E1", "DSP48E2", "MULT18X18D", "SB_MAC16")
BRAM: Mapping[str, float] = {
    **dict.fromkeys(("RAMB18E1", "RAMB18E2"), 0.5),
    **dict.fromkeys(("RAMB36E1", "RAMB36E2", "DP16KD", "SB_RAM40_4K"), 1),
}


@dataclass(frozen=True)
class Area:
    """Resources: `lut` are all LUTs, `lutram` those that are memories; a block RAM has 36 Kib on Xilinx."""

    lut: int
    lutram: int
    ff: int
    dsp: int
    bram: float


def counted(cells: Mapping[str, int]) -> Area:
    """The resources of the cells that yosys counts."""
    lutram = sum(LUTRAM.get(c, 0) * n for c, n in cells.items())
    logic = sum(LOGIC.get(c, 0) * n for c, n in cells.items())
    ff = sum(n for c, n in cells.items() if c in FLIPFLOPS or c.startswith("SB_DFF"))
    dsp = sum(n for c, n in cells.items() if c in DSP)
    return Area(logic + lutram, lutram, ff, dsp, sum(BRAM.get(c, 0) * n for c, n in cells.items()))


def area(sv: str, top: str, family: str, kept_only: bool = False) -> Area | None:
    """The area of a design; None where it isn't kept and `kept_only` says that yosys shall not run.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    from gemel.codegen import cache
    from gemel.hwsynth import tools
    from gemel.hwsynth.judges import FAMILIES, synth_yosys

    name = cache.key("yosys", FAMILIES[family], version("pyosys"), top, sv)
    if kept_only and cache.get(name) is None:
        return None
    return counted(tools.remembered(name, lambda: dict(synth_yosys(sv, top, family, TIMEOUT).cells)))
