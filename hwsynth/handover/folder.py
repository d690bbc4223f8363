"""Writes the folder that a hardware team gets, all of it or nothing."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemel.hwsynth.handover import build
from gemel.hwsynth.handover.constraints import constraints
from gemel.hwsynth.handover.datasheet import Datasheet
from gemel.hwsynth.handover.interface import Interface
from gemel.hwsynth.handover.readme import readme
from gemel.hwsynth.handover.testbench import testbench
from gemel.hwsynth.handover.vectors import hex_files, runs
from gemel.hwsynth.prove.certificate import RECORD, files_of
from gemel.hwsynth.reporting.page import page
from gemel.semantics.errors import ToolError

if TYPE_CHECKING:
    from gemel.hwsynth.design import Design


def deliver(design: Design, folder: Path, args: tuple[Any, ...]) -> Path:
    """Writes the folder, all of it or nothing.

    Raises ToolError where the place can't be written.
    """
    texts = files(design, args)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "design"
            for name, text in texts.items():
                path = made / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            _move(made, folder)
    except OSError as error:
        raise ToolError(
            f"{folder} can't be written: {error.strerror}", code="X02", mend="choose another folder"
        ) from None
    return folder


def _move(made: Path, folder: Path) -> None:
    """Puts the new files into their place; what else is in the folder stays, but for vectors of an earlier design."""
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder / "tb" / "vectors", ignore_errors=True)
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        target = folder / path.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)


def files(design: Design, args: tuple[Any, ...]) -> dict[str, str]:
    """The texts by path."""
    interface = Interface(design)
    made = runs(interface, args)
    vectors = hex_files(interface, made)
    constraint, constraint_text = constraints(interface)
    name, sheet = interface.name, Datasheet(interface, made)
    return {
        "README.md": readme(interface, made, constraint),
        "Makefile": build.makefile(interface),
        f"{name}.core": build.core(interface, [*vectors], constraint),
        "datasheet.md": sheet.markdown(),
        "datasheet.html": sheet.html(),
        "waveform.svg": sheet.picture,
        "report.txt": f"{design.report}\n",
        "report.html": page(design.report),
        "report.json": sheet.json(),
        **files_of(design),
        RECORD: design.certificate,
        f"rtl/{name}.f": build.file_list(interface),
        f"tb/{name}_tb.sv": testbench(interface, made),
        "tb/interface.json": build.facts(interface, made),
        **{f"tb/{n}": text for n, text in build.cocotb_files(interface).items()},
        **{f"tb/vectors/{n}": text for n, text in vectors.items()},
        f"constraints/{constraint}": constraint_text,
        f"syn/{name}.ys": build.synthesis_script(interface),
    }
