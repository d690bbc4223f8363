"""From a sweep's modules to figures: yosys for the cells, and for the period a placer or a model of timing."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemel.hwsynth import judges, tools
from gemel.hwsynth.calibrate.arrival import CellModel, longest_path
from gemel.hwsynth.dag import net_type
from gemel.hwsynth.netlist import Module
from gemel.hwsynth.placers import Placer, place
from gemel.hwsynth.verilog import type_text, verilog
from gemel.semantics.dtypes import width_of

TIMEOUT = 900.0


@dataclass(frozen=True)
class Measured:
    """A module's shortest clock period in ns and its cells by type; for a liberty its area."""

    period: float
    cells: Mapping[str, float]


def measure(modules: Sequence[Module], device: Mapping[str, Any], seeds: int) -> list[Measured]:
    """What tools make of modules, in order.

    Raises ToolError where a tool is missing, fails or takes too long.
    """
    texts = "\n".join(verilog(m) for m in modules)
    with tools.scratch() as folder:
        (folder / "points.sv").write_text(texts + wrapper(modules))
        log = _synthesise(folder, modules, device)
        cells = [_cells(folder, m.name) for m in modules]
        periods = _periods(folder, modules, device, seeds, log)
    return [Measured(p, c) for p, c in zip(periods, cells, strict=True)]


def _synthesise(folder: Path, modules: Sequence[Module], device: Mapping[str, Any]) -> list[str]:
    """Runs yosys on the modules, and for a liberty gives the part of its log that is about each."""
    if "liberty" in device:
        return _synthesise_gates(folder, modules, device["liberty"]["file"])
    whole = judges.FAMILIES[device["family"]].replace(" -flatten", "").format(top="points")
    apart = whole if "xilinx" in whole else whole.replace(" -top", " -noflatten -top")
    script = ["read_verilog -sv points.sv", apart, "tee -q -o cells.json stat -json", "write_json apart.json"]
    judges.yosys_script("\n".join([*script, "flatten", "opt_clean -purge", "write_json points.json"]), folder, TIMEOUT)
    return []


def _synthesise_gates(folder: Path, modules: Sequence[Module], file: str) -> list[str]:
    script = ["read_verilog -sv points.sv", "design -save all"]
    for m in modules:
        script += ["design -load all", f"hierarchy -top {m.name}", f"log MODULE {m.name}"]
        script += [line.format(top=m.name) for line in judges.liberty_steps(file)]
        script += [f"tee -q -o {m.name}.json stat -liberty {file} -json"]
    log = judges.yosys_script("\n".join(script), folder, TIMEOUT)
    return re.split(r"(?m)^MODULE \w+$", log)[1:]


def _cells(folder: Path, top: str) -> dict[str, float]:
    alone = folder / f"{top}.json"
    found = json.loads((alone if alone.exists() else folder / "cells.json").read_text())["modules"][f"\\{top}"]
    return {"um2": float(found["area"])} if "area" in found else dict(found["num_cells_by_type"])


# -------------------------------------------------------------------------------------------------------------- periods


def _periods(
    folder: Path, modules: Sequence[Module], device: Mapping[str, Any], seeds: int, log: Sequence[str]
) -> list[float]:
    if "placer" in device:
        placer = Placer(**device["placer"])
        runs = [place(folder / "points.json", placer, 400.0, seed) for seed in range(1, seeds + 1)]
        return [statistics.median(1000.0 / run.fmax[_clock(n, run.fmax)] for run in runs) for n in range(len(modules))]
    if "liberty" in device:
        return [_liberty_delay(part) + device["liberty"]["register"] for part in log]
    model = CellModel(**device["model"])
    return [longest_path(folder / "apart.json", m.name, model) for m in modules]


def _clock(n: int, clocks: Mapping[str, float]) -> str:
    """The placer's name of a clock: it may add the buffer's suffix."""
    return next(c for c in clocks if re.match(rf"clk{n}\b", c))


def _liberty_delay(log: str) -> float:
    """The delay that abc's `stime` states, in ns; 0 where there is no gate."""
    return max((float(d) for d in re.findall(r"Delay = +([\d.]+) ps", log)), default=0.0) / 1000.0


# -------------------------------------------------------------------------------------------------------------- wrapper


def wrapper(modules: Sequence[Module]) -> str:
    """A module `points` with few pins around all: a clock for each, inputs from a shift register, outputs gathered."""
    ins = sum(width_of(i.var.dtype) for m in modules for i in m.inputs)
    outs = [f"r{n}" for n in range(len(modules))]
    clocks = ", ".join(f"clk{n}" for n in range(len(modules)))
    lines = ["module points (", f"  input logic {clocks}, sclk, sin,", "  output logic sout", ");"]
    lines.append(f"  logic [{ins - 1}:0] s;")
    lines.append(f"  always_ff @(posedge sclk) s <= {{s[{ins - 2}:0], sin}};")
    at = 0
    for n, m in enumerate(modules):
        lines.append(f"  {type_text(net_type(m.outputs[0].value))} r{n};")
        pins = [f".clk(clk{n})", f".result(r{n})"]
        for i in m.inputs:
            width = width_of(i.var.dtype)
            pins.append(f".{i.var.hint}(s[{at + width - 1}:{at}])")
            at += width
        lines.append(f"  {m.name} u{n} ({', '.join(pins)});")
    lines.append(f"  always_ff @(posedge sclk) sout <= ^{{{', '.join(outs)}}};")
    return "\n".join([*lines, "endmodule", ""])
