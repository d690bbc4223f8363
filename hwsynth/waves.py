"""What wave files have in common: the signals with the source's names, and a file that appears whole or not at all.

A clock period is ten time units. The values between edges k and k+1 are shown from time 10k on; the clock rises at
10k and falls at 10k + 5.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from gemel.hwsynth.flatten import Flat
from gemel.hwsynth.names import Names
from gemel.hwsynth.nativesim import Compiled
from gemel.hwsynth.netcheck import RESERVED
from gemel.hwsynth.simlayout import RESET, Layout, Slot
from gemel.semantics.dtypes import width_of
from gemel.semantics.errors import ToolError

Rows = NDArray[np.uint8]

PERIOD = 10
"""Time units per clock period; a unit is a nanosecond."""


@dataclass(frozen=True)
class Signal:
    """What the file shows of one net: its scope and name, and where it lies in a row."""

    scope: tuple[str, ...]
    name: str
    slot: Slot

    @property
    def width(self) -> int:
        """Bits."""
        return width_of(self.slot.dtype)

    def changes(self, last: Rows, rows: Rows) -> Iterator[tuple[int, int]]:
        """The rows in which it has another value than in the row before, and the values; `last` is the row before all,
        and has none at the begin, where each signal has its first value."""
        column = rows[:, self.slot.offset : self.slot.offset + self.slot.size]
        before = np.concatenate([last[:, self.slot.offset : self.slot.offset + self.slot.size], column[:-1]])
        differs = (column[len(column) - len(before) :] != before).any(axis=1)
        indices = np.flatnonzero(differs) + (len(column) - len(before))
        mask = (1 << self.width) - 1
        for k in [*([] if len(last) else [0]), *indices.tolist()]:
            yield k, int.from_bytes(column[k].tobytes(), "little") & mask


class WaveFile:
    """A file that is written to `path` while a simulation runs; used in a `with`.

    Raises ToolError X02 where the file can't be written.
    """

    def __init__(self, path: str | os.PathLike[str], compiled: Compiled) -> None:
        row, flat = compiled.trace, compiled.flat
        if row is None:
            raise TypeError("a simulator that was compiled without a trace")
        self.path = Path(path)
        self.top = flat.module.name
        self.signals = list(_signals(flat, row))
        self._last: Rows = np.zeros((0, row.size), np.uint8)
        self._count = 0

    def begin(self) -> None:
        """Writes what comes first."""

    def section(self, rows: Rows) -> None:
        """Writes rows, one per clock period; there is at least one."""
        raise NotImplementedError

    def end(self) -> None:
        """Writes what comes last."""

    def rows(self, rows: Rows) -> None:
        """Takes the next rows, one per clock period."""
        if not len(rows):
            return
        try:
            self.section(rows)
        except OSError as error:
            raise self._error(error) from None
        self._last = rows[-1:].copy()
        self._count += len(rows)

    def __enter__(self) -> Self:
        try:
            self.file: IO[bytes] = tempfile.NamedTemporaryFile(
                dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".part", delete=False
            )
            self.begin()
        except OSError as error:
            raise self._error(error) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        temporary = Path(self.file.name)
        try:
            if kind is None:
                self.end()
            self.file.close()
            if kind is None:
                os.chmod(temporary, 0o644)
                os.replace(temporary, self.path)
        except OSError as error:
            raise self._error(error) from None
        finally:
            self.file.close()
            temporary.unlink(missing_ok=True)

    def _error(self, error: OSError) -> ToolError:
        return ToolError(
            f"the wave file {self.path} can't be written: {error.strerror}", code="X02", mend="choose another place"
        )


def _signals(flat: Flat, row: Layout) -> Iterator[Signal]:
    """Every net of the row, grouped by scope; names are the nets' hints, made unique in their scope."""
    scopes: dict[tuple[str, ...], Names] = {(): Names(RESERVED)}
    for key, slot in sorted(row.slots.items(), key=lambda item: _scope(flat, item[0])):
        if key == RESET:
            yield Signal((), RESET, slot)
        elif not isinstance(key, str):
            scope = flat.scope[key]
            yield Signal(scope, scopes.setdefault(scope, Names()).fresh(key.hint), slot)


def _scope(flat: Flat, key: Any) -> tuple[str, ...]:
    return () if isinstance(key, str) else flat.scope[key]


def moves(here: tuple[str, ...], there: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How many scopes are left, and which are entered, from one scope to another."""
    common = 0
    while common < min(len(here), len(there)) and here[common] == there[common]:
        common += 1
    return len(here) - common, there[common:]
