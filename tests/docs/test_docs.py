"""The documents' code runs and prints what they show; the IR document's text parses; links and named files exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from docs.documents import ROOT, blocks, run, script_name, updated
from needs import needs

import gemel as gm

PAGES = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))
WITH_CODE = ["README.md", *(p for p in PAGES if "```python" in (ROOT / p).read_text())]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_CODE)
def test_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """`pytest --update-golden` writes the outputs into the documents."""
    monkeypatch.chdir(tmp_path)
    document = (ROOT / name).read_text()
    shown = run(document, script_name(name))
    if request.config.getoption("--update-golden"):
        (ROOT / name).write_text(updated(document, shown))
        return
    for s in shown:
        assert s.same, f"{name} shows\n{s.block.text}\nbut its code prints\n{s.output}"


def test_the_tutorial_runs() -> None:
    assert sum(name.startswith("docs/tutorial/") for name in WITH_CODE) >= 9


@pytest.mark.slow
def test_the_c_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("cc")
    monkeypatch.chdir(tmp_path)
    document = (ROOT / "docs/aot.md").read_text()
    run(document, script_name("docs/aot.md"))
    program, commands, shown = (
        next(b.text for b in blocks(document) if b.language == kind) for kind in ("c", "sh", "text")
    )
    Path("main.c").write_text(program)
    done = subprocess.run(commands.splitlines()[0], shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == shown


def test_the_ir_text_parses_to_the_kernel_of_the_readme() -> None:
    text = next(b.text for b in blocks((ROOT / "docs/ir.md").read_text()) if not b.language)
    assert str(gm.parse(text).ir) == text.strip()


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", (ROOT / document).read_text()):
        assert ((ROOT / document).parent / target).exists(), target


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", *(p for p in PAGES if p.startswith("docs/howto/"))])
def test_files_that_a_how_to_names_exist(document: str) -> None:
    names = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:py|toml|md))`", (ROOT / document).read_text())
    assert names
    for name in names:
        assert (ROOT / name).exists(), name
