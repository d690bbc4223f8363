"""Value change dump (IEEE 1364 clause 18) from the rows of a traced simulation, with the source's names.

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
from typing import IO, Any

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
"""Time units per clock period."""


@dataclass(frozen=True)
class Signal:
    """What the file shows of one net: its scope and name, the short code for it, and where it lies in a row."""

    scope: tuple[str, ...]
    name: str
    code: str
    slot: Slot

    @property
    def width(self) -> int:
        """Bits."""
        return width_of(self.slot.dtype)


class VcdFile:
    """Writes a dump to `path` while a simulation runs; used in a `with`, and the file appears whole or not at all.

    Raises ToolError X02 where the file can't be written.
    """

    def __init__(self, path: str | os.PathLike[str], compiled: Compiled, period_ps: int = 10_000) -> None:
        row, flat = compiled.trace, compiled.flat
        if row is None:
            raise TypeError("a simulator that was compiled without a trace")
        self.path = Path(path)
        self.scale = f"{max(1, period_ps // PERIOD)} ps"
        self.top = flat.module.name
        self.signals = list(_signals(flat, row))
        self._last: Rows = np.zeros((0, row.size), np.uint8)
        self._count = 0

    def __enter__(self) -> VcdFile:
        try:
            self._file: IO[str] = tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=f".{self.path.name}.", suffix=".part", delete=False
            )
        except OSError as error:
            raise self._error(error) from None
        self._write(_header(self.scale, self.top, self.signals))
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        temporary = Path(self._file.name)
        try:
            self._file.close()
            if kind is None:
                os.chmod(temporary, 0o644)
                os.replace(temporary, self.path)
        except OSError as error:
            raise self._error(error) from None
        finally:
            temporary.unlink(missing_ok=True)

    def _error(self, error: OSError) -> ToolError:
        return ToolError(
            f"the wave file {self.path} can't be written: {error.strerror}", code="X02", mend="choose another place"
        )

    def _write(self, lines: Iterator[str]) -> None:
        try:
            self._file.writelines(lines)
        except OSError as error:
            raise self._error(error) from None

    def rows(self, rows: Rows) -> None:
        """Takes the next rows, one per clock period."""
        if not len(rows):
            return
        self._write(self._changes(rows))
        self._last = rows[-1:].copy()
        self._count += len(rows)

    def _changes(self, rows: Rows) -> Iterator[str]:
        """The text of a run of periods: the clock, and the signals that differ from the period before."""
        changed: dict[int, list[str]] = {}
        for signal in self.signals:
            for k, text in _signal_changes(signal, self._last, rows):
                changed.setdefault(k, []).append(text)
        for k in range(len(rows)):
            now = (self._count + k) * PERIOD
            yield f"#{now}\n{'1' if now else '0'}{CLOCK_CODE}\n"
            yield from changed.get(k, ())
            yield f"#{now + PERIOD // 2}\n0{CLOCK_CODE}\n" if now else ""


CLOCK_CODE = "!"


def _signal_changes(signal: Signal, last: Rows, rows: Rows) -> Iterator[tuple[int, str]]:
    column = rows[:, signal.slot.offset : signal.slot.offset + signal.slot.size]
    before = np.concatenate([last[:, signal.slot.offset : signal.slot.offset + signal.slot.size], column[:-1]])
    differs = (column[len(column) - len(before) :] != before).any(axis=1)
    indices = np.flatnonzero(differs) + (len(column) - len(before))
    first = [0] if not len(last) else []
    mask = (1 << signal.width) - 1
    for k in [*first, *indices.tolist()]:
        value = int.from_bytes(column[k].tobytes(), "little") & mask
        yield k, f"{value}{signal.code}\n" if signal.width == 1 else f"b{value:b} {signal.code}\n"


def _code(index: int) -> str:
    """Identifier codes of printable characters, the shortest first; the clock has the first one."""
    code = ""
    index += 1
    while True:
        index, digit = divmod(index, 94)
        code += chr(33 + digit)
        if not index:
            return code
        index -= 1


def _signals(flat: Flat, row: Layout) -> Iterator[Signal]:
    """Every net of the row, grouped by scope; names are the nets' hints, made unique in their scope."""
    scopes: dict[tuple[str, ...], Names] = {(): Names(RESERVED)}
    for index, (key, slot) in enumerate(sorted(row.slots.items(), key=lambda item: _scope(flat, item[0]))):
        if key == RESET:
            yield Signal((), RESET, _code(index), slot)
        elif not isinstance(key, str):
            scope = flat.scope[key]
            yield Signal(scope, scopes.setdefault(scope, Names()).fresh(key.hint), _code(index), slot)


def _scope(flat: Flat, key: Any) -> tuple[str, ...]:
    return () if isinstance(key, str) else flat.scope[key]


def _header(scale: str, top: str, signals: list[Signal]) -> Iterator[str]:
    yield f"$timescale {scale} $end\n$scope module {top} $end\n$var wire 1 {CLOCK_CODE} clk $end\n"
    path: tuple[str, ...] = ()
    for signal in signals:
        yield from _move(path, signal.scope)
        path = signal.scope
        bounds = f" [{signal.width - 1}:0]" if signal.width > 1 else ""
        yield f"$var wire {signal.width} {signal.code} {signal.name}{bounds} $end\n"
    yield from _move(path, ())
    yield "$upscope $end\n$enddefinitions $end\n"


def _move(here: tuple[str, ...], there: tuple[str, ...]) -> Iterator[str]:
    """Leaves and enters scopes."""
    common = 0
    while common < min(len(here), len(there)) and here[common] == there[common]:
        common += 1
    yield from ("$upscope $end\n" for _ in here[common:])
    yield from (f"$scope module {name} $end\n" for name in there[common:])
