"""Value change dump (IEEE 1364 clause 18) from the rows of a traced simulation."""

from __future__ import annotations

from collections.abc import Iterator

from gemel.hwsynth.waves import PERIOD, Rows, Signal, WaveFile, moves

CLOCK_CODE = "!"


class VcdFile(WaveFile):
    """Writes a dump."""

    def begin(self) -> None:
        """The names of all signals."""
        self._write(_header(self.top, self.signals))

    def section(self, rows: Rows) -> None:
        """The changes in a run of periods."""
        self._write(self._changes(rows))

    def _write(self, lines: Iterator[str]) -> None:
        self.file.writelines(line.encode() for line in lines)

    def _changes(self, rows: Rows) -> Iterator[str]:
        """The clock, and the signals that differ from the period before."""
        changed: dict[int, list[str]] = {}
        for n, signal in enumerate(self.signals):
            code = _code(n)
            for k, value in signal.changes(self._last, rows):
                text = f"{value}{code}\n" if signal.width == 1 else f"b{value:b} {code}\n"
                changed.setdefault(k, []).append(text)
        for k in range(len(rows)):
            now = (self._count + k) * PERIOD
            yield f"#{now}\n{'1' if now else '0'}{CLOCK_CODE}\n"
            yield from changed.get(k, ())
            yield f"#{now + PERIOD // 2}\n0{CLOCK_CODE}\n" if now else ""


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


def _header(top: str, signals: list[Signal]) -> Iterator[str]:
    yield f"$timescale 1 ns $end\n$scope module {top} $end\n$var wire 1 {CLOCK_CODE} clk $end\n"
    path: tuple[str, ...] = ()
    for n, signal in enumerate(signals):
        yield from _move(path, signal.scope)
        path = signal.scope
        bounds = f" [{signal.width - 1}:0]" if signal.width > 1 else ""
        yield f"$var wire {signal.width} {_code(n)} {signal.name}{bounds} $end\n"
    yield from _move(path, ())
    yield "$upscope $end\n$enddefinitions $end\n"


def _move(here: tuple[str, ...], there: tuple[str, ...]) -> Iterator[str]:
    """Leaves and enters scopes."""
    left, entered = moves(here, there)
    yield "$upscope $end\n" * left
    yield from (f"$scope module {name} $end\n" for name in entered)
