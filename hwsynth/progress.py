"""What a long simulation shows meanwhile: a line on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TextIO

PATIENCE, EVERY = 1.0, 0.2
"""Seconds before anything is shown, and between two lines."""


@dataclass
class Progress:
    """The line for a run of `total` cycles, or of an unknown number."""

    total: int | None
    out: TextIO
    clock: Callable[[], float] = time.monotonic
    begun: float = 0.0
    shown: float = 0.0
    width: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.begun = self.clock()
        self.shown = self.begun + PATIENCE - EVERY

    def tell(self, cycles: int) -> None:
        """Takes in how many cycles are done, and shows it now and then."""
        now = self.clock()
        if now - self.shown < EVERY:
            return
        self.shown = now
        self._write(self.line(cycles, now - self.begun))

    def line(self, cycles: int, seconds: float) -> str:
        """What is shown after so many cycles and seconds."""
        speed = cycles / seconds
        text = f"{cycles:,} cycles, {speed / 1e6:,.1f} Mcycle/s"
        if self.total:
            left = max(0, self.total - cycles) / speed if speed else 0
            text += f", {100 * cycles / self.total:.0f} % of {self.total:,}, {left:,.0f} s left"
        return text

    def clear(self) -> None:
        """Takes the line away."""
        if self.width:
            self._write("")
            self.out.write("\r")
            self.out.flush()

    def _write(self, text: str) -> None:
        self.out.write(f"\r{text.ljust(self.width)}")
        self.out.flush()
        self.width = len(text)


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextmanager
def shown(total: int | None) -> Iterator[None]:
    """Shows the progress of a run inside, on standard error where that is a terminal."""
    out = sys.stderr
    progress = Progress(total, out) if out is not None and out.isatty() else None
    token = _current.set(progress)
    try:
        yield
    finally:
        _current.reset(token)
        if progress is not None:
            progress.clear()


def tell(cycles: int) -> None:
    """Tells the progress that is shown, if one is, how many cycles a simulation has done."""
    progress = _current.get()
    if progress is not None:
        progress.tell(cycles)
