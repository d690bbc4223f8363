"""The gallery of user mistakes: each case is a script that makes one; it is run, and what is shown is kept beside it.

A case's docstring says the mistake. Lines `- old` and `+ new` in it are a mend, with which the script runs; a line
`$ gemel ...` is a command to run instead of the script.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from gemel.errors import CATALOGUE, GemelError

CASES = Path(__file__).parent / "cases"
PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
AREAS = {
    "T": "Types",
    "S": "Shapes",
    "P": "Python that can't become a kernel",
    "A": "Arguments and commands",
    "R": "When a kernel runs",
    "K": "Schedules",
    "C": "Code for other machines",
    "H": "Hardware",
    "X": "Outside tools",
    "I": "The text form of the IR",
}


@dataclass(frozen=True)
class Case:
    """A mistake: its name, what it is, the script, the mend as old and new text, and the command if there is one."""

    name: str
    title: str
    script: str
    old: str
    new: str
    command: tuple[str, ...]

    @property
    def code(self) -> str:
        """The code that is to be shown."""
        return self.name.split("_")[0]

    @property
    def golden(self) -> Path:
        """The file with what is shown."""
        return CASES / f"{self.name}.txt"

    def mended(self) -> str:
        """The script after the mend."""
        assert self.script.count(self.old) >= 1, self.old
        return self.script.replace(self.old, self.new, 1)


def cases() -> list[Case]:
    """All mistakes, in the order of the catalogue."""
    order = list(CATALOGUE)
    return sorted(map(_read, CASES.glob("*.py")), key=lambda c: (order.index(c.code), c.name))


def _read(path: Path) -> Case:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    title, *more = (ast.get_docstring(tree) or "").split("\n")
    old, new = ("\n".join(line[2:] for line in more if line.startswith(sign)) for sign in ("- ", "+ "))
    command = [line.removeprefix("$ gemel ").split() for line in more if line.startswith("$ gemel ")]
    script = "".join(text.splitlines(keepends=True)[tree.body[0].end_lineno :]).strip() + "\n"
    return Case(path.stem, title.rstrip("."), script, old, new, tuple(command[0]) if command else ())


def shown(case: Case) -> str:
    """What the user sees after the traceback, from a real run in a folder of its own."""
    with _folder(case.name, case.script):
        return _of_command(case.command) if case.command else _of_script(case)


def runs_when_mended(case: Case) -> None:
    """Runs the mended script; raises what it raises."""
    with _folder(case.name, case.mended()):
        _run(case.name)


@contextlib.contextmanager
def _folder(name: str, script: str) -> Iterator[None]:
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        mock.patch.dict(os.environ),
        mock.patch.object(sys, "path", list(sys.path)),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        Path(f"{name}.py").write_text(script, encoding="utf-8")
        linecache.cache.pop(f"{name}.py", None)
        yield


def _run(name: str) -> None:
    file = f"{name}.py"
    exec(compile(Path(file).read_text(encoding="utf-8"), file, "exec"), {"__name__": name})


def _of_script(case: Case) -> str:
    try:
        _run(case.name)
    except GemelError as error:
        return f"{type(error).__name__}: {error}\n"
    raise AssertionError(f"{case.name} makes no mistake")


def _of_command(command: tuple[str, ...]) -> str:
    from gemel.cli import main

    err = io.StringIO()
    with mock.patch.object(sys, "argv", ["gemel", *command]), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            assert end.code, command
            return err.getvalue()
    raise AssertionError(f"gemel {' '.join(command)} makes no mistake")


# ------------------------------------------------------------------------------------------------------------ the page

INTRODUCTION = """# What Gemel says

{count} mistakes, and what is shown for each; made by `python docs/make_errors.py` from `tests/errors/cases`, where
a test runs them all. A message has a code in brackets, the place with the source line and a caret, other places that
matter, and a mend. Above it, Python shows the line of yours that made the call (`GEMEL_TRACEBACK=full` adds the lines
of Gemel's own). Where a mend is shown, a test applies it and runs the script. `gemel explain T02` prints a code's
meaning. How other compilers answer to the same mistakes: [error_messages.md](error_messages.md).
"""


def page() -> str:
    """The gallery as Markdown, from the cases and their golden files."""
    every = cases()
    parts = [INTRODUCTION.format(count=len(every)), _contents(every)]
    for letter, area in AREAS.items():
        parts.append(f"## {area}\n")
        for code, title in CATALOGUE.items():
            mine = [c for c in every if c.code == code]
            if code.startswith(letter) and mine:
                parts.append(f"### {code}: {title}\n")
                parts += map(_entry, mine)
    return "\n".join(parts)


def _contents(every: list[Case]) -> str:
    rows = ["| code | means | cases |", "|---|---|---|"]
    for code, title in CATALOGUE.items():
        count = sum(c.code == code for c in every)
        link = f"[{code}](#{_anchor(f'{code}: {title}')})" if count else code
        rows.append(f"| {link} | {title} | {count or UNREACHABLE[code]} |")
    return "\n".join(rows) + "\n"


def _anchor(heading: str) -> str:
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c == "-")


def _entry(case: Case) -> str:
    command = f"$ gemel {' '.join(case.command)}\n" if case.command else ""
    answer = case.golden.read_text(encoding="utf-8")
    mend = f"\nMended:\n\n```diff\n{_lines('-', case.old)}{_lines('+', case.new)}```\n" if case.new else ""
    script = f"```py\n{case.script}```\n\n" if case.script.strip() else ""
    return f"**{case.title}**\n\n{script}```text\n{command}{answer}```\n{mend}"


def _lines(sign: str, text: str) -> str:
    return "".join(f"{sign} {line}\n" for line in text.split("\n"))


UNREACHABLE = {
    "R12": "told by `verify`: a run wraps, as the language says",
    "N01": "a fault of ours: only the synthesiser makes netlists",
    "N02": "a fault of ours: only the synthesiser makes netlists",
    "C02": "a fault of ours: LLVM refuses what we made",
}
"""The codes that no mistake of a user's leads to, and why they are there."""
