"""yosys-abc: whether bits of a circuit stay 0, at all times or for so many cycles."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gemel.hwsynth import tools
from gemel.hwsynth.prove.aiger import Aig, written

SLACK = 60.0
"""Seconds that yosys-abc may take beyond the limit that it is given."""


@dataclass(frozen=True)
class Answer:
    """What was found: `holds` is None for nothing in time; `which` doesn't stay 0, and when.

    `cubes` are values of some latches that never come together: that they don't is an inductive invariant.
    """

    holds: bool | None
    which: int = 0
    edge: int = 0
    cubes: tuple[Mapping[int, int], ...] = ()


def reached(aig: Aig, seconds: float) -> Answer:
    """Whether all that is to stay 0 does, at all times, by property-directed reachability.

    Raises ToolError where yosys-abc is missing or fails.
    """
    limit = math.ceil(seconds)
    with tools.scratch() as folder:
        (folder / "circuit.aig").write_bytes(written(aig))
        log = _run(f"read_aiger circuit.aig; strash; orpos; pdr -t -d -I invariant.pla -T {limit}", folder, limit)
        if "Property proved" in log:
            return Answer(True, cubes=tuple(_cubes((folder / "invariant.pla").read_text())))
        found = _contradiction(log)
        if found.holds is False:  # of which of them it was
            log = _run(f"read_aiger circuit.aig; strash; bmc3 -F {found.edge + 1} -T {limit}", folder, limit)
    return _contradiction(log)


def unrolled(aig: Aig, cycles: int, seconds: float) -> Answer:
    """Whether all that is to stay 0 does for so many cycles; raises as `reached`."""
    limit = math.ceil(seconds)
    with tools.scratch() as folder:
        (folder / "circuit.aig").write_bytes(written(aig))
        log = _run(f"read_aiger circuit.aig; strash; bmc3 -F {cycles} -T {limit}", folder, limit)
    done = re.search(r"No output asserted in (\d+) frames", log)
    return Answer(True) if done and int(done[1]) >= cycles else _contradiction(log)


def _run(command: str, folder: Path, limit: float) -> str:
    return tools.must("yosys-abc", [tools.yosys_abc(), "-c", command], folder, limit + SLACK)


def _contradiction(log: str) -> Answer:
    shown = re.search(r"Output (\d+) of miter .* was asserted in frame (\d+)", log)
    return Answer(False, int(shown[1]), int(shown[2])) if shown else Answer(None)


def _cubes(pla: str) -> Iterator[Mapping[int, int]]:
    """The cubes of an invariant, by number of latch: columns are latches L0, L1, ..., of which some are left out."""
    names: list[int] = []
    for line in pla.splitlines():
        if line.startswith(".ilb"):
            names = [int(name[1:]) for name in line.split()[1:]]
        elif line[:1] in tuple("01-"):
            yield {names[k]: int(c) for k, c in enumerate(line.split()[0]) if c != "-"}
