"""A run that takes hours is kept row by row, so that one that was cut off goes on where it ended.

Beside the record lies a file with a line for each row, while the run lasts. Its first line says what was asked of which
Gemel and tools: rows of another run are no use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import gemel
from gemel.bench.catalogue import suites_here
from gemel.bench.hardware.measure import Row

CODE = (".py", ".toml", ".lark", ".json")


@dataclass
class Unfinished:
    """The rows of a run so far, in the file at `path`; `of` is what run it is. None: nothing is kept."""

    path: Path | None
    of: Any
    rows: dict[str, Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Takes the rows that are there, or begins the file."""
        if self.path is None:
            return
        with suppress(OSError, ValueError, KeyError):
            first, *rest = self.path.read_text(encoding="utf-8").splitlines()
            if json.loads(first) == self._head():
                self.rows = {_name(row): row for row in _whole(rest)}
        lines = [self._head(), *self.rows.values()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("".join(map(_line, lines)), encoding="utf-8")

    def keep(self, row: Row) -> None:
        """Adds a row."""
        self.rows[_name(row)] = row
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(row))

    def end(self) -> None:
        """The run is done."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _head(self) -> Any:
        return json.loads(json.dumps({"of": self.of, "code": _code()}))


def _name(row: Row) -> str:
    return f"{row['group']}/{row['kernel']}"


def _line(what: Any) -> str:
    return json.dumps(what) + "\n"


def _whole(lines: list[str]) -> Iterator[Row]:
    """The rows; what comes after a line that was cut off isn't read."""
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return


def _code() -> str:
    """Which Gemel and which suites: their files as they are."""
    whole = sha256()
    for top in (os.path.dirname(gemel.__file__), suites_here()):
        for folder, inside, files in os.walk(top or os.devnull, followlinks=True):
            inside.sort()
            for name in sorted(files):
                if name.endswith(CODE):
                    whole.update(Path(folder, name).read_bytes())
    return whole.hexdigest()
