"""`gemel fuzz`: drawn kernels through every engine for some minutes."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from gemel._version import __version__
from gemel.errors import ArgumentError, ToolError

if TYPE_CHECKING:
    from gemel.fuzzing.campaign import Failure, Slice

SLICE = 20.0
"""Seconds for one engine before the next has its turn."""

ENOUGH = 3
"""An engine that failed so often is left out."""

Minutes = Annotated[float, typer.Option(min=0.0, help="How long to run.")]
Seed = Annotated[
    int | None, typer.Option(help="The same seed draws the same kernels; without one, the clock gives it.")
]
Engines = Annotated[
    str, typer.Option(help="text python cpu schedule verified control rtl verilator icarus, with commas; or all.")
]
Keep = Annotated[Path, typer.Option(help="The folder for failures: text IR or source, with arguments.")]
Record = Annotated[Path | None, typer.Option(help="Write the counts to this JSON file.")]


def fuzz(
    minutes: Minutes = 1.0,
    seed: Seed = None,
    engines: Engines = "text,python,cpu,schedule,verified,control,rtl",
    keep: Keep = Path("regressions"),
    record: Record = None,
) -> None:
    """Draw kernels of the whole language, and compare what the engines make of them with the reference interpreter.

    Ctrl-C ends the run. The engine `python` executes the Python source that it draws.
    """
    campaign = Campaign(_engines(engines), int(time.time()) if seed is None else seed, keep)
    campaign.run(60.0 * minutes)
    campaign.summary()
    if record is not None:
        campaign.write(record)
    if campaign.failures:
        raise typer.Exit(1)


def _engines(names: str) -> list[str]:
    try:
        from gemel.fuzzing.engines import SUBJECTS
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ToolError("Hypothesis is missing", code="X01", mend="pip install 'gemel[fuzz]'") from None
    chosen = list(SUBJECTS) if names == "all" else names.split(",")
    for name in chosen:
        if name not in SUBJECTS:
            raise ArgumentError(f"there is no engine {name!r}", code="A06", mend=f"choose from {', '.join(SUBJECTS)}")
    return chosen


@dataclass
class Campaign:
    """A run of the fuzzer: the engines take turns."""

    engines: list[str]
    seed: int
    keep: Path
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Failure, Path]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    now: str = ""

    def run(self, seconds: float) -> None:
        """Runs for so long, or until Ctrl-C or until no engine is left."""
        end = time.monotonic() + seconds
        turn = 0
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run in the background ends with its summary, too
        with Live(get_renderable=self.state, refresh_per_second=4, transient=True, console=Console(stderr=True)):
            try:
                while time.monotonic() < end and self.engines:
                    self._turn(self.engines[turn % len(self.engines)], self.seed + turn, end)
                    turn += 1
            except KeyboardInterrupt:
                self.now = "interrupted"

    def _turn(self, engine: str, seed: int, end: float) -> None:
        from gemel.fuzzing.campaign import Slice

        self.now = engine
        before = self.counts[engine]

        def progress(s: Slice, case: Any) -> None:
            self.counts[engine] = before + s.count
            self._note(engine, case)

        part = Slice(engine, seed, seconds=min(SLICE, end - time.monotonic()), progress=progress)
        try:
            part.run()
        finally:
            self._note(engine, None)
            if part.failure is not None:
                self.failures.append((part.failure, self._kept(part.failure)))
        if sum(f.engine == engine for f, _ in self.failures) >= ENOUGH:
            self.engines.remove(engine)

    def _note(self, engine: str, case: Any) -> None:
        """Keeps the case that runs in a file, in case that it takes this process down."""
        path = self.keep / f"running_{engine}.txt"
        if case is None:
            path.unlink(missing_ok=True)
        else:
            self.keep.mkdir(parents=True, exist_ok=True)
            path.write_text(str(case), encoding="utf-8")

    def _kept(self, failure: Failure) -> Path:
        """The file of a failure."""
        text = str(failure.case)
        name = f"{failure.engine}_{sha256(text.encode()).hexdigest()[:10]}"
        path = self.keep / f"{name}.{'py.txt' if failure.engine == 'python' else 'gemel'}"
        self.keep.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def state(self) -> Table:
        """The counts so far."""
        table = Table("engine", "kernels", "failures", title=f"{self.seconds:.0f} s, seed {self.seed}")
        for engine in dict.fromkeys((*self.engines, *self.counts)):
            failed = sum(f.engine == engine for f, _ in self.failures)
            mark = "[bold]" if engine == self.now else ""
            table.add_row(f"{mark}{engine}", f"{self.counts[engine]:,}", f"[red]{failed}" if failed else "0")
        return table

    def summary(self) -> None:
        """Prints counts and failures."""
        console = Console()
        console.print(self.state())
        for failure, path in self.failures:
            console.print(f"[red]{failure.engine}[/] (seed {failure.seed}): {escape(str(path))}")
            console.print(escape(f"{failure.case}\n{failure.what[:2000]}"), highlight=False)
        if not self.failures:
            console.print(f"no disagreement in {sum(self.counts.values()):,} kernels")

    def write(self, path: Path) -> None:
        """The record as JSON."""
        rows: dict[str, Any] = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "version": __version__,
            "seed": self.seed,
            "seconds": round(self.seconds),
            "kernels": dict(self.counts),
            "failures": [str(p) for _, p in self.failures],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
