"""The folder that a hardware team gets: RTL, a self-checking testbench with vectors, the report."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemel.hwsynth.testbench import testbench
from gemel.semantics.errors import ToolError
from gemel.semantics.samples import sample

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design


def deliver(design: Design, folder: Path, args: tuple[Any, ...]) -> Path:
    """Writes the folder, all of it or nothing.

    Raises ToolError where the place can't be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "design"
            made.mkdir()
            for name, text in files(design, args).items():
                (made / name).write_text(text)
            folder.mkdir(exist_ok=True)
            for file in made.iterdir():
                shutil.move(str(file), folder / file.name)
    except OSError as error:
        raise ToolError(
            f"{folder} can't be written: {error.strerror}", code="X02", mend="choose another folder"
        ) from None
    return folder


def files(design: Design, args: tuple[Any, ...]) -> dict[str, str]:
    """The texts by file name."""
    name = design.source.name
    facts = {
        "kernel": name,
        "target": design.report.target,
        "clock_mhz": design.report.clock_mhz,
        "cycles": design.cycles,
        "loops": [
            {"loop": r.name, "line": r.span.line, "trips": r.trips, "ii": r.ii, "depth": r.depth, "bound": r.bound}
            for r in design.report.loops
        ],
    }
    return {
        **testbench(design, args or sample(design.source)),
        f"{name}.sv": design.verilog,
        "report.txt": f"{design.report}\n",
        "report.json": json.dumps(facts, indent=2) + "\n",
        f"{name}.gemel": f"{design.scheduled}\n",
    }
