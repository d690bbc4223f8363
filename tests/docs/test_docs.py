"""The documents' code runs, in order, each document in one namespace; the IR document's text parses."""

from __future__ import annotations

import linecache
import re
import subprocess
from pathlib import Path

import pytest
from needs import needs

import gemel as gm

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/language.md", "docs/aot.md")


def blocks(name: str, language: str) -> list[tuple[int, str]]:
    """The fenced blocks of a document with the line that each starts at."""
    text = (ROOT / name).read_text()
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, m.start(1)), m.group(1)) for m in found]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "document"}
    found = blocks(name, "python")
    assert found
    for line, code in found:
        text = "\n" * line + code
        file = f"{name} from line {line}"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), names)


@pytest.mark.slow
def test_the_c_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("cc")
    test_code_runs("docs/aot.md", tmp_path, monkeypatch)
    (_, program), *_ = blocks("docs/aot.md", "c")
    (_, commands), *_ = blocks("docs/aot.md", "sh")
    (tmp_path / "main.c").write_text(program)
    native, *_ = commands.splitlines()
    (_, shown), *_ = blocks("docs/aot.md", "text")
    done = subprocess.run(native, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == shown


def test_the_ir_text_parses_to_the_kernel_of_the_readme() -> None:
    (_, text), *_ = blocks("docs/ir.md", "")
    assert str(gm.parse(text).ir) == text.strip()


@pytest.mark.parametrize(
    "document", ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#: ]+)\)", (ROOT / document).read_text()):
        assert ((ROOT / document).parent / target).exists(), target
