"""What builds and runs the folder: file list, FuseSoC core, Makefile, synthesis script, the facts that tests read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.vectors import Run
from gemel.hwsynth.judges import define


def rtl_files(interface: Interface) -> list[str]:
    """The files of the modules, instantiated ones first."""
    return [f"{m.name}.sv" for m in interface.modules]


def checker_file(interface: Interface) -> str:
    """The file with the assertions on the handshake, in its place in the folder."""
    return f"tb/{interface.name}_sva.sv"


def file_list(interface: Interface) -> str:
    """The text of `NAME.f`."""
    return "".join(f"{name}\n" for name in rtl_files(interface))


def facts(interface: Interface, made: Sequence[Run]) -> str:
    """The text of `interface.json`, which the cocotb test reads: ports by what they are for."""
    memories = [
        {
            "name": m.name,
            "words": m.words,
            "width": m.width,
            "latency": m.latency,
            "reads": [[p.enable, p.address, p.data] for p in m.reads],
            "writes": [[p.enable, p.address, p.data] for p in m.writes],
            "given": m.name in made[0].given,
        }
        for m in interface.memories
    ]
    about = {
        "module": interface.name,
        "reset": interface.reset.value,
        "error": interface.has_error,
        "memories": memories,
        "scalars": [*interface.scalars.values()],
        "results": [*interface.results.values()],
    }
    return json.dumps(about, indent=2) + "\n"


def cocotb_files(interface: Interface) -> dict[str, str]:
    """The cocotb test and what runs it, by name."""
    data = files("gemel.hwsynth.handover").joinpath("data")
    runner = data.joinpath("run_cocotb.py.txt").read_text().replace("@TOP@", interface.name)
    return {
        f"test_{interface.name}.py": data.joinpath("cocotb_test.py.txt").read_text(),
        "run_cocotb.py": runner,
    }


def synthesis_script(interface: Interface) -> str:
    """The text of `NAME.ys`."""
    top = interface.name
    lines = [
        f"# yosys -q {top}.ys: maps {top} for {interface.design.report.target}, writes its cells to cells.txt, the netlist to {top}.json",
        f"read_verilog -sv {define(interface.design.target.family)}{' '.join(f'../rtl/{name}' for name in rtl_files(interface))}",
        f"{interface.design.target.synthesis} -top {top}",
        "tee -o cells.txt stat",
        f"write_json {top}.json",
    ]
    return "\n".join(lines) + "\n"


def makefile(interface: Interface) -> str:
    """The text of the Makefile."""
    top, sources = interface.name, " ".join(f"rtl/{name}" for name in rtl_files(interface))
    return f"""RTL := {sources}
TB := tb/{top}_tb.sv
SVA := {checker_file(interface)}
IVERILOG ?= iverilog
VERILATOR ?= verilator
YOSYS ?= yosys
PYTHON ?= python3

help:  ## show this list
\t@awk -F':.*## ' '/^[a-z]+:.*## /{{printf "  %-10s %s\\n", $$1, $$2}}' Makefile

sim:  ## the self-checking testbench in Icarus Verilog
\t$(IVERILOG) -g2012 -o tb/{top}.vvp $(RTL) $(TB)
\tcd tb && vvp -n {top}.vvp

verilator:  ## the same in Verilator 5, with the assertions on the handshake
\t$(VERILATOR) --binary --timing --assert --Mdir build --top-module {top}_tb -o {top}_tb $(RTL) $(SVA) $(TB)
\tcd tb && ../build/{top}_tb

cocotb:  ## the cocotb test (pip install cocotb), in Icarus Verilog
\tcd tb && $(PYTHON) run_cocotb.py icarus

lint:  ## Verilator's linter, all warnings
\t$(VERILATOR) --lint-only -Wall --assert --top-module {top} $(RTL) $(SVA)

synth:  ## synthesis with yosys
\tcd syn && $(YOSYS) -q {top}.ys && cat cells.txt

.PHONY: help sim verilator cocotb lint synth
"""


def core(interface: Interface, vectors: Sequence[str], constraint: str) -> str:
    """The text of the FuseSoC core file."""
    top = interface.name
    rtl = "\n".join(f"      - rtl/{name}" for name in rtl_files(interface))
    data = "\n".join(f"      - tb/vectors/{n}: {{file_type: user, copyto: vectors/{n}}}" for n in vectors)
    return f"""CAPI=2:

name: gemel:kernels:{top}:1.0.0
description: {top}, made by Gemel for {interface.design.report.target} at {interface.design.report.clock_mhz:g} MHz

filesets:
  rtl:
    files:
{rtl}
    file_type: systemVerilogSource
  tb:
    files:
      - tb/{top}_tb.sv: {{file_type: systemVerilogSource}}
{data}
  assertions:
    files:
      - {checker_file(interface)}: {{file_type: systemVerilogSource}}
  constraints:
    files:
      - constraints/{constraint}: {{file_type: {constraint.rsplit(".", 1)[1].upper()}}}

targets:
  default: &default
    filesets: [rtl]
    toplevel: {top}

  lint:
    <<: *default
    description: Verilator's linter, all warnings
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
        verilator_options: [-Wall]

  sim:
    description: the self-checking testbench in Icarus Verilog
    filesets: [rtl, tb]
    toplevel: {top}_tb
    default_tool: icarus
    tools:
      icarus:
        iverilog_options: [-g2012]

  sim_verilator:
    description: the same in Verilator 5, with the assertions on the handshake
    filesets: [rtl, assertions, tb]
    toplevel: {top}_tb
    default_tool: verilator
    tools:
      verilator:
        mode: binary
        verilator_options: [--timing, --assert]
"""
