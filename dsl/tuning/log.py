"""What has been measured, kept from session to session: a line of JSON for each candidate."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemel.semantics.errors import ToolError


@dataclass(frozen=True)
class Trial:
    """Answers that were tried, each one's place among how many, and the digest of the schedule that they make.

    `ratio` is the time of a call as a multiple of the default's; where there is none, `why` says the reason.
    """

    picks: dict[str, int]
    places: dict[str, tuple[int, int]]
    digest: str
    ratio: float | None
    why: str = ""


@dataclass
class Log:
    """The trials of a kernel; `path` is None where nothing is kept.

    `about` says what they depend on: the trials of a file that says otherwise are of no use, and are dropped.
    """

    path: Path | None
    about: dict[str, str]
    trials: list[Trial] = field(default_factory=list)

    @staticmethod
    def opened(path: Path | None, about: dict[str, str], anew: bool = False) -> Log:
        """The log with the trials that are there.

        Raises ToolError where the file can't be written.
        """
        log = Log(path, about)
        if path is None:
            return log
        lines = [] if anew else _lines(path)
        if lines[:1] == [about]:
            log.trials = [t for t in map(_trial, lines[1:]) if t is not None]
        log._write("w", [about, *map(asdict, log.trials)])
        return log

    def add(self, trial: Trial) -> None:
        """Keeps a trial.

        Raises ToolError where the file can't be written.
        """
        self.trials.append(trial)
        self._write("a", [asdict(trial)])

    def _write(self, mode: str, lines: list[dict[str, Any]]) -> None:
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                file.write("".join(f"{json.dumps(line)}\n" for line in lines))
        except OSError as error:
            raise ToolError(
                f"{self.path} can't be written: {error}", code="X02", mend="set GEMEL_TUNED to another folder"
            ) from None


def _lines(path: Path) -> list[Any]:
    """The lines that are whole."""
    found = []
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return found


def _trial(line: Any) -> Trial | None:
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        picks = {str(name): int(value) for name, value in line["picks"].items()}
        places = {str(name): (int(at), int(count)) for name, (at, count) in line["places"].items()}
        ratio = line["ratio"]
        if picks.keys() == places.keys() and all(0 <= at < count for at, count in places.values()):
            return Trial(picks, places, str(line["digest"]), None if ratio is None else float(ratio), str(line["why"]))
    return None
