"""`gemel calibrate`: a hardware target's delays and areas, measured with its tools."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

console = Console()

Target = Annotated[str, typer.Argument(metavar="TARGET", help="A target's name, or the path of its data file.")]
Seeds = Annotated[int, typer.Option(min=1, help="Placements of each operator; the median counts.")]
Jobs = Annotated[int, typer.Option(min=1, help="Tools that run at a time.")]


def calibrate(target: Target, seeds: Seeds = 3, jobs: Jobs = 2) -> None:
    """Measure a hardware target: operators of several widths, between registers, through yosys and a placer.

    Writes the figures into the target's data file, behind what a person states there. What has been measured before,
    by the same tools, is not measured again, so that Ctrl-C loses little.
    """
    from gemel.hwsynth.calibrate.command import calibrate as measured

    path = measured(target, seeds, jobs, lambda line: console.print(line, highlight=False, soft_wrap=True))
    console.print(f"written: {path}")
