"""SystemVerilog as a circuit of words: yosys reads the text and writes BTOR2, with functional units cut out.

Where a unit is cut, each of its ports becomes a port of the circuit, named after the instance: `f32_add_0.a`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gemel.hwsynth import tools
from gemel.hwsynth.prove.btor import Circuit, parse

TIMEOUT = 300.0
"""Seconds that yosys may take."""

_SCRIPT = """
import os, sys
from pyosys import libyosys as ys
design = ys.Design()
def run(line): ys.run_pass(line, design)
run("read_verilog -sv design.sv")
run("hierarchy -check -top {top}")
run("proc")
top = design.top_module()
units, found = {units!r}, dict()
for name, cell in dict(top.cells_).items():
    kind = cell.type.str().lstrip("\\\\")
    if kind not in units:
        continue
    module = design.module(cell.type)
    found[cell.name.str().lstrip("\\\\")] = kind
    for port, signal in dict(cell.connections_).items():
        wire = module.wire(port)
        label = "\\\\" + cell.name.str().lstrip("\\\\") + "." + port.str().lstrip("\\\\")
        cut = top.addWire(ys.IdString(label), signal.size())
        if wire.port_input:
            cut.port_output = True
            top.connect(ys.SigSpec(cut), signal)
        else:
            cut.port_input = True
            top.connect(signal, ys.SigSpec(cut))
    top.remove(cell)
top.fixup_ports()
{edit}
for line in ("flatten", "opt", "memory -nomap -nordff", "opt", "async2sync", "dffunmap",
             "setundef -undriven -zero", "opt_clean", "check -assert", "write_btor -s circuit.btor"):
    run(line)
import json
json.dump(found, open("units.json", "w"))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Read:
    """What yosys understood: the circuit as BTOR2 text, and the modules of the instances that were cut out."""

    btor2: str
    units: Mapping[str, str]

    def text(self) -> Text:
        """The circuit."""
        return Text(parse(self.btor2), self.units)


@dataclass(frozen=True)
class Text:
    """A module as a circuit, and the module of each instance that was cut out of it."""

    circuit: Circuit
    units: Mapping[str, str]


def read(sv: str, top: str, units: Collection[str] = (), edit: str = "") -> Read:
    """A module as a circuit, with instances of `units` cut out; `edit` are yosys commands, one a line, before.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    lines = "\n".join(f"run({line!r})" for line in edit.splitlines())
    script = _SCRIPT.format(top=top, units=sorted(units), edit=lines)
    with tools.scratch() as folder:
        (folder / "design.sv").write_text(sv)
        done = tools.python_tool("yosys", "pyosys", script, folder, TIMEOUT)
        if done.code:
            raise tools.failed("yosys", "\n".join(x for x in done.output.splitlines() if "ERROR" in x) or done.output)
        return Read((folder / "circuit.btor").read_text(), json.loads((folder / "units.json").read_text()))
