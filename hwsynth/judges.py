"""Outside judges of SystemVerilog text: linters, and synthesis. Each gives its complaints, none where it is content."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gemel.hwsynth import tools
from gemel.hwsynth.targets import Target
from gemel.semantics.errors import SynthesisError

TIMEOUT = 300.0
"""Seconds that a judge may take."""

FAMILIES: Mapping[str, str] = {
    "generic": "synth -flatten -noabc -top {top}",
    "ecp5": "synth_ecp5 -noiopad -top {top}",
    "ice40": "synth_ice40 -dsp -top {top}",
    "xc7": "synth_xilinx -flatten -family xc7 -noiopad -top {top}",
    "xcup": "synth_xilinx -flatten -family xcup -noiopad -top {top}",
}
"""The yosys command that maps a design to a family's cells."""


def define(family: str) -> str:
    """The option of `read_verilog` with which modules that are cells of the family become these."""
    return f"-D GEMEL_{family.upper()} "


_ABC = "+strash;&get,-n;&dch,-f;&nf;&put;buffer;upsize,-D,1000;dnsize,-D,1000;stime,-p"


def liberty_steps(liberty: str) -> tuple[str, ...]:
    """The yosys commands that map a design to the gates of a liberty file."""
    mapped = f"abc -liberty {liberty} -D 1000 -script {_ABC}"
    return ("synth -flatten -top {top}", f"dfflibmap -liberty {liberty}", mapped, "opt_clean")


@dataclass(frozen=True)
class Synthesis:
    """What yosys made of a design: how many cells of each type, and its warnings."""

    cells: Mapping[str, int]
    warnings: tuple[str, ...]


def split_modules(sv: str) -> dict[str, str]:
    """The text of each module by name; what stands before a module (comments) goes with it."""
    pieces = re.split(r"(?m)(?<=^endmodule\n)", sv)
    found = {m.group(1): piece for piece in pieces if (m := re.search(r"(?m)^module\s+(\w+)", piece))}
    if not found:
        raise SynthesisError("no module in the text", code="N01")
    return found


def write_modules(sv: str, folder: Path) -> list[str]:
    """Writes one file per module, named after it; gives the file names in the order of the text."""
    pieces = split_modules(sv)
    for name, text in pieces.items():
        (folder / f"{name}.sv").write_text(text)
    return [f"{name}.sv" for name in pieces]


def write_checked(sv: str, checker: str, folder: Path) -> tuple[str, list[str]]:
    """Writes as `write_modules`, and the checker of the last module, if any; gives that module and the files."""
    files = write_modules(sv, folder)
    top = files[-1][:-3]
    if checker:
        files.append(f"{top}_sva.sv")
        (folder / files[-1]).write_text(checker)
    return top, files


def lint_verilator(sv: str, checker: str = "") -> tuple[str, ...]:
    """What `verilator --lint-only -Wall` says about the text, with its last module on top, and its checker.

    Raises ToolError where Verilator is missing or takes too long.
    """
    binary, env = tools.verilator()
    with tools.scratch() as folder:
        top, files = write_checked(sv, checker, folder)
        command = [binary, "--lint-only", "-Wall", "--assert", "--quiet", "--top-module", top, *files]
        done = tools.run("Verilator", command, folder, TIMEOUT, env)
    return tuple(line for line in done.output.splitlines() if line.startswith("%"))


def lint_icarus(sv: str) -> tuple[str, ...]:
    """What `iverilog -g2012 -Wall` says about the text; raises ToolError where Icarus is missing or takes too long."""
    compiler, _ = tools.icarus()
    with tools.scratch() as folder:
        files = write_modules(sv, folder)
        done = tools.run("Icarus Verilog", [compiler, "-g2012", "-Wall", "-o", "out", *files], folder, TIMEOUT)
    return tuple(line for line in done.output.splitlines() if line.strip())


_SLANG = """
from pyslang import driver
d = driver.Driver()
d.addStandardArgs()
ok = d.parseCommandLine("slang --lint-only -Weverything --top {top} {files}") and d.processOptions()
ok = ok and d.parseAllSources() and d.runFullCompilation(True)
print("complaints:", d.diagEngine.numErrors + d.diagEngine.numWarnings + (not ok))
"""


def lint_slang(sv: str, checker: str = "") -> tuple[str, ...]:
    """What `slang -Weverything` says about the text, as `lint_verilator`; raises ToolError without slang."""
    with tools.scratch() as folder:
        top, files = write_checked(sv, checker, folder)
        script = _SLANG.format(top=top, files=" ".join(files))
        done = tools.python_tool("slang", "pyslang", script, folder, TIMEOUT)
    if done.code:
        raise tools.failed("slang", done.output)
    return () if "complaints: 0\n" in done.stdout else tuple(done.stderr.splitlines()) or ("slang is not content",)


_YOSYS = """
import os, sys
from pyosys import libyosys as ys
design = ys.Design()
for line in {script!r}.splitlines():
    ys.run_pass(line, design)
sys.stdout.flush()
os._exit(0)
"""

_LOAD = "read_verilog -sv {define}{files}\n"
_CHECK = """hierarchy -check -top {top}
proc
select -assert-none t:$dlatch* t:$dffsr* t:$adff*
opt_clean
memory_collect
check -assert
"""


def yosys_script(script: str, folder: Path, timeout: float) -> str:
    """Runs yosys commands in a folder, one a line, and gives the log.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    done = tools.python_tool("yosys", "pyosys", _YOSYS.format(script=script), folder, timeout)
    if done.code:
        raise tools.failed("yosys", _complaints(done.output) or done.output[-2000:])
    return done.output


def _yosys(sv: str, top: str, script: str, timeout: float, define: str = "") -> tuple[str, Mapping[str, int]]:
    """Runs yosys on the text; gives its log, and the cell counts if the script wrote stat.json."""
    with tools.scratch() as folder:
        files = write_modules(sv, folder)
        filled = (_LOAD + script).format(define=define, files=" ".join(files), top=top)
        return yosys_script(filled, folder, timeout), _cells(folder / "stat.json", top)


def _complaints(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if re.search(r"\b(ERROR|Warning|Assertion)\b", line))


def _warnings(log: str) -> tuple[str, ...]:
    return tuple(line for line in log.splitlines() if line.startswith(("Warning", "ERROR")))


def _cells(path: Path, top: str) -> Mapping[str, int]:
    if not path.exists():
        return {}
    modules = json.loads(path.read_text())["modules"]
    counts: dict[str, int] = modules[f"\\{top}"]["num_cells_by_type"]
    return {name: int(n) for name, n in sorted(counts.items())}


def area(sv: str, top: str, target: Target, timeout: float = TIMEOUT) -> Mapping[str, float]:
    """The cells that yosys maps a design to on a target; for one of gates their area, as the cell `um2`.

    Raises ToolError where yosys is missing, fails or takes too long.
    """
    if "liberty" not in target.tools:
        return synth_yosys(sv, top, target.family, timeout).cells
    file = target.tools["liberty"]["file"]
    steps = [*liberty_steps(file), f"tee -q -o stat.json stat -liberty {file} -json", ""]
    with tools.scratch() as folder:
        files = write_modules(sv, folder)
        yosys_script((_LOAD + "\n".join(steps)).format(define="", files=" ".join(files), top=top), folder, timeout)
        found = json.loads((folder / "stat.json").read_text())["modules"][f"\\{top}"]
    return {"um2": float(found["area"])}


def check_yosys(sv: str, top: str) -> tuple[str, ...]:
    """Yosys' warnings on reading the text. Raises ToolError X02 for latches, loops, several drivers, bad syntax."""
    log, _ = _yosys(sv, top, _CHECK, TIMEOUT)
    return _warnings(log)


def through_yosys(sv: str, top: str, passes: str = "prep -flatten -top {top}") -> str:
    """Verilog that yosys writes after `passes`: how it has understood the text. Raises ToolError as `check_yosys`."""
    with tools.scratch() as folder:
        done, _ = _yosys(sv, top, f"{passes}\nwrite_verilog -noattr {folder / 'out.v'}\n", TIMEOUT)
        del done
        return (folder / "out.v").read_text()


def synth_yosys(sv: str, top: str, family: str = "generic", timeout: float = TIMEOUT) -> Synthesis:
    """Synthesises module `top` for a family of `FAMILIES`, in a fresh process as yosys keeps state between runs.

    Raises SynthesisError H06 for another family, ToolError where yosys is missing, fails or takes too long.
    """
    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise SynthesisError(f"unknown family {family!r}", code="H06", mend=f"use one of {known}")
    log, cells = _yosys(sv, top, FAMILIES[family] + "\ntee -q -o stat.json stat -json\n", timeout, define(family))
    return Synthesis(cells, _warnings(log))
