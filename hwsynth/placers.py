"""Placing and routing by nextpnr: what clock a design reaches on a part, and what it takes up."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemel.hwsynth import tools

TIMEOUT = 900.0


@dataclass(frozen=True)
class Placer:
    """A placer's program and the options that name the part."""

    program: str
    options: Sequence[str]


@dataclass(frozen=True)
class Routed:
    """The reachable frequency in MHz of each clock, the cells in use, and the slowest path of each clock."""

    fmax: Mapping[str, float]
    cells: Mapping[str, int]
    paths: Sequence[Mapping[str, Any]]


def find(program: str) -> str:
    """The path of a placer: on the path, or of its `yowasp` wheel beside this Python.

    Raises ToolError X01 where it is neither.
    """
    beside = Path(sys.executable).parent / f"yowasp-{program}"
    found = shutil.which(program) or shutil.which(f"yowasp-{program}") or (str(beside) if beside.exists() else None)
    if found is None:
        raise tools.missing(program, f"pip install yowasp-{program}, or put {program} on PATH")
    return found


def place(netlist: Path, placer: Placer, mhz: float, seed: int = 1, timeout: float = TIMEOUT) -> Routed:
    """Places and routes a netlist that yosys wrote as JSON, its report beside it.

    Raises ToolError where the placer is missing, fails or takes too long; a frequency that isn't reached is no failure.
    """
    report = netlist.with_suffix(f".{seed}.report.json")
    command = [find(placer.program), *placer.options, "--json", netlist.name]
    command += ["--freq", f"{mhz:g}", "--seed", str(seed), "--report", report.name, "--quiet"]
    done = tools.run(placer.program, command, netlist.parent, timeout)
    if not report.exists():
        raise tools.failed(placer.program, _errors(done.output) or done.output[-2000:])
    found = json.loads(report.read_text())
    fmax = {clock: row["achieved"] for clock, row in found["fmax"].items()}
    cells = {name: row["used"] for name, row in found["utilization"].items() if row["used"]}
    return Routed(fmax, cells, found.get("critical_paths", []))


def _errors(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if re.match(r"ERROR", line))
