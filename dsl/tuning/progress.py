"""How a search gets on, for a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich import get_console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from gemel.tuning.log import Trial


class Progress:
    """A bar with the best candidate so far; without `shown`, or where nobody would see it, nothing."""

    def __init__(self, name: str, total: int, shown: bool) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = get_console()
        seen = shown and (console.is_terminal or console.is_jupyter)
        self.bar = Bar(*columns, TimeElapsedColumn(), console=console, transient=True, disable=not seen)
        self.name, self.best = name, 1.0
        self.task = self.bar.add_task(f"{name}: the default runs", total=total)

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def start(self, trials: Sequence[Trial]) -> None:
        """Shows what an earlier search has left."""
        self.best = min((t.ratio for t in trials if t.ratio is not None), default=1.0)
        self._show(len(trials))

    def add(self, trial: Trial) -> None:
        """Shows one more candidate."""
        self.best = min(self.best, trial.ratio or 1.0)
        self._show(int(self.bar.tasks[0].completed) + 1)

    def _show(self, count: int) -> None:
        best = f"best {100 * self.best:.1f} % of the default's time" if self.best < 1 else "none faster yet"
        self.bar.update(self.task, completed=count, description=f"{self.name}: {best}")

    def confirm(self) -> None:
        """Says that the best ones are measured once more."""
        self.bar.update(self.task, description=f"{self.name}: the best ones, side by side")
