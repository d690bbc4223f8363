"""Documents that run: the Python blocks of one document are one script, and a `text` block behind one is its output."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMES = re.compile(r"\d+\.\d+ s\b")
"""What differs from run to run."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text and where that lies in the document."""

    language: str
    text: str
    start: int
    end: int


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document in order."""
    return [Block(m[1], m[2], m.start(2), m.end(2)) for m in BLOCK.finditer(document)]


@dataclass(frozen=True)
class Shown:
    """An output that a document shows, and the one that its code gave."""

    block: Block
    output: str

    @property
    def same(self) -> bool:
        return TIMES.sub("T", self.block.text) == TIMES.sub("T", self.output)


def run(document: str, name: str) -> list[Shown]:
    """Runs the Python blocks as one script called `name`; the outputs that the document shows behind blocks."""
    found = blocks(document)
    script = "".join(b.text for b in found if b.language == "python")
    linecache.cache[name] = (len(script), None, script.splitlines(keepends=True), name)
    names: dict[str, object] = {"__name__": "document"}
    shown: list[Shown] = []
    line = 0
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block.language != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + block.text, name, "exec"), names)
        line += block.text.count("\n")
        if after is not None and after.language == "text":
            shown.append(Shown(after, printed.getvalue()))
    return shown


def updated(document: str, shown: list[Shown]) -> str:
    """The document with the outputs that its code gave."""
    for s in reversed(shown):
        if not s.same:
            document = document[: s.block.start] + s.output + document[s.block.end :]
    return document


def script_name(path: str) -> str:
    """`docs/tutorial/01-first-kernel.md` is the script `first_kernel.py`."""
    return re.sub(r"^\d+-", "", Path(path).stem).replace("-", "_").lower() + ".py"
