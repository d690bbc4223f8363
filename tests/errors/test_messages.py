"""Each case shows what its golden file holds; the mends that it lists work; the page is up to date."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from errors import gallery
from errors.gallery import Case

from gemel.errors import CATALOGUE, GemelError
from gemel.semantics.errors import OutOfMemoryError

CASES = gallery.cases()
SLOW = {"P05_endless_while", "P05_unrolled_too_far", "X03_too_little_time"}


def marked(cases: list[Case]) -> list[object]:
    return [pytest.param(c, id=c.name, marks=[pytest.mark.slow] * (c.name in SLOW)) for c in cases]


@pytest.mark.parametrize("case", marked(CASES))
def test_shown(case: Case, request: pytest.FixtureRequest) -> None:
    text = gallery.shown(case)
    if request.config.getoption("--update-golden"):
        case.golden.write_text(text, encoding="utf-8")
    assert f"[{case.code}]" in text.splitlines()[0]
    assert text == case.golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", marked([c for c in CASES if c.new]))
def test_mend_works(case: Case) -> None:
    gallery.runs_when_mended(case)


def test_each_code_has_a_case_or_a_reason() -> None:
    covered = {c.code for c in CASES}
    assert covered | gallery.UNREACHABLE.keys() == set(CATALOGUE)
    assert not covered & gallery.UNREACHABLE.keys()


def test_each_golden_file_has_a_case() -> None:
    assert {p.stem for p in gallery.CASES.glob("*.txt")} == {c.name for c in CASES}


def test_a_mend_is_given() -> None:
    without = [c.name for c in CASES if "\n  mend: " not in c.golden.read_text()]
    assert without == []


def test_the_page_is_up_to_date() -> None:
    assert gallery.PAGE.read_text(encoding="utf-8") == gallery.page(), "run python docs/make_errors.py"


# ----------------------------------------------------------------------------------------------------------- tracebacks

SCRIPT = """
import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x * 0.5


def mine(k):
    return k(3)


mine(double)
"""


def traceback_of(script: str, folder: Path, **env: str) -> str:
    (folder / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, env={**os.environ, **env}
    )
    assert done.returncode == 1
    return done.stderr


def test_the_traceback_is_the_users(tmp_path: Path) -> None:
    text = traceback_of(SCRIPT, tmp_path)
    assert text.count('script.py", line') == 2
    assert text.count('File "') == 3, text  # the third is the call that gives the error to the user
    assert "\ngemel.errors.TypeCheckError: 0.5 with i32" in text
    full = traceback_of(SCRIPT, tmp_path, GEMEL_TRACEBACK="full")
    assert full.count('File "') > 8


def test_an_error_in_a_users_function_keeps_its_lines(tmp_path: Path) -> None:
    script = """
import functools
import gemel as gm
from gemel import i32


@functools.cache
def table(n):
    return [1, 2, 3][n]


@gm.kernel
def f(x: i32) -> i32:
    return x + table(7)


f(1)
"""
    text = traceback_of(script, tmp_path)
    assert "return [1, 2, 3][n]" in text and "IndexError in table()" in text
    assert text.count("gemel/") <= 1, text


def test_notebooks_show_the_users_lines() -> None:
    names: dict[str, object] = {}
    source = "import gemel as gm\ngm.Int(0)\n"
    with pytest.raises(GemelError) as caught:
        exec(compile(source, "cell.py", "exec"), names)
    lines = caught.value._render_traceback_()
    assert 'File "cell.py", line 2' in "".join(lines) and lines[-1].startswith("TypeCheckError: Int needs a width")
    assert "dtypes.py" not in "".join(lines)


def test_errors_are_pickled_by_their_public_name() -> None:
    error = OutOfMemoryError("no memory", code="R08")
    assert type(error).__module__ == "gemel.errors"
    assert type(pickle.loads(pickle.dumps(error))) is OutOfMemoryError


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog")
def test_a_tool_that_is_there_is_not_missing() -> None:
    case = next(c for c in CASES if c.name == "X01_tool_missing")
    with pytest.raises(AssertionError, match="makes no mistake"):
        gallery.shown(Case(**{**vars(case), "script": case.script.replace('"/nowhere"', 'os.environ["PATH"]')}))
