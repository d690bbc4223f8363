"""SystemVerilog as a circuit of words: yosys reads the text and writes BTOR2, with functional units cut out.

Where a unit is cut, each of its ports becomes a port of the circuit, named after the instance: `f32_add_0.a`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemel.hwsynth import tools
from gemel.hwsynth.netlist import Contract
from gemel.hwsynth.prove.btor import Circuit, parse

TIMEOUT = 300.0
"""Seconds that yosys may take."""

_SCRIPT = """
import json, os, sys
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
for line in {edit!r}: run(line)
run("flatten")
run("opt")
def odd(cell):
    # whether a register or write port has another clock than the rising edge of clk
    if not cell.hasPort("\\\\CLK"):
        return False
    if cell.hasParam("\\\\CLK_ENABLE") and not cell.getParam("\\\\CLK_ENABLE").as_bool():
        return False
    signal = cell.getPort("\\\\CLK")
    wire = top.wire("\\\\clk")
    rising = not cell.hasParam("\\\\CLK_POLARITY") or cell.getParam("\\\\CLK_POLARITY").as_bool()
    return not rising or wire is None or signal != ys.SigSpec(wire)
def write(name):
    top = design.top_module()
    odds = [n.str() for n, cell in dict(top.cells_).items() if odd(cell)]
    json.dump(odds, open(name + ".json", "w"))
    for line in ("memory -nomap -nordff", "opt", "async2sync", "dffunmap",
                 "setundef -undriven -zero", "opt_clean", "check -assert", "write_btor -s -v part"):
        run(line)
    os.rename("part", name)
if {mutants}:
    run("design -save whole")
    # a table's first values are no hardware; where one of their bits is turned, yosys takes them for no constants
    run("mutate -list {mutants} -seed {seed} -o mutants.txt t:$meminit* %n")
    sys.stdout.flush()
    for n, line in enumerate(open("mutants.txt")):
        # in a process of its own where there are any: a design that is loaded again makes pyosys crash now and then
        child = os.fork() if hasattr(os, "fork") else None
        if child:
            os.waitpid(child, 0)
            continue
        if child is None:
            run("design -load whole")
        run(line.strip())
        write("mutant%d.btor" % n)
        if child == 0:
            os._exit(0)
else:
    write("circuit.btor")
json.dump(found, open("units.json", "w"))
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Read:
    """What yosys understood: the circuit as BTOR2 text, and the modules of the instances that were cut out.

    `odd` are registers that don't take the rising edge of `clk`; BTOR2 has no clocks.
    """

    btor2: str
    units: Mapping[str, str]
    odd: tuple[str, ...] = ()

    def text(self) -> Text:
        """The circuit."""
        return Text(parse(self.btor2), self.units, self.odd)


@dataclass(frozen=True)
class Text:
    """A module as a circuit, the module of each instance that was cut out, registers with another clock than `clk`."""

    circuit: Circuit
    units: Mapping[str, str]
    odd: tuple[str, ...] = ()

    def contracts(self, known: Mapping[str, Contract]) -> dict[str, tuple[str, Contract]]:
        """The module and contract of each instance that was cut out."""
        return {i: (m, known[m]) for i, m in self.units.items()}


def read(sv: str, top: str, units: Collection[str] = (), edit: str = "") -> Read:
    """A module as a circuit, with instances of `units` cut out; `edit` are yosys commands, one a line, before.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    with tools.scratch() as folder:
        cut = _run(folder, sv, top, units, edit)
        return _read(folder, "circuit.btor", cut)


def mutated(sv: str, top: str, units: Collection[str], count: int, seed: int) -> list[tuple[str, Read]]:
    """A module as `read`, with changes by yosys' `mutate`: so many at most, each with its command.

    Those on which yosys fails are left out. Raises as `read`.
    """
    with tools.scratch() as folder:
        cut = _run(folder, sv, top, units, mutants=count, seed=seed)
        commands = (folder / "mutants.txt").read_text().splitlines()
        whole = [(n, line) for n, line in enumerate(commands) if (folder / f"mutant{n}.btor").exists()]
        return [(line, _read(folder, f"mutant{n}.btor", cut)) for n, line in whole]


def _read(folder: Path, name: str, cut: Mapping[str, str]) -> Read:
    return Read((folder / name).read_text(), cut, tuple(json.loads((folder / f"{name}.json").read_text())))


def _run(
    folder: Path, sv: str, top: str, units: Collection[str], edit: str = "", mutants: int = 0, seed: int = 0
) -> Mapping[str, str]:
    """Reads and writes in a folder; gives the modules of the instances that were cut out."""
    script = _SCRIPT.format(top=top, units=sorted(units), edit=edit.splitlines(), mutants=mutants, seed=seed)
    (folder / "design.sv").write_text(sv)
    done = tools.python_tool("yosys", "pyosys", script, folder, TIMEOUT)
    if done.code:
        raise tools.failed("yosys", "\n".join(x for x in done.output.splitlines() if "ERROR" in x) or done.output)
    found: Mapping[str, str] = json.loads((folder / "units.json").read_text())
    return found
