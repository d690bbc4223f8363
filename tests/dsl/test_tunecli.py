"""`gemel tune` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gemel.cli import app
from gemel.codegen import tuned
from gemel.codegen.tuned import Entry
from gemel.errors import ArgumentError, ToolError

SCRIPT = """
import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")

@gm.kernel
def total(x: f32[N]) -> f32:
    return gm.sum(x)

def ones():
    return np.ones(300, np.float32)
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GEMEL_TUNED", str(tmp_path / "tuned"))
    path = tmp_path / "sums.py"
    path.write_text(SCRIPT)
    return f"{path}:total"


def gemel(*args: object) -> Any:
    """What a command does."""
    return CliRunner().invoke(app, ["tune", *map(str, args)])


def kept(name: str) -> None:
    folder = tuned.place()
    assert folder is not None
    tuned.write(folder / f"{name}{tuned.SUFFIX}", Entry("", 1.25, "total(x: f32[300]) -> f32", "m", 7, "2026-01-02"))


@pytest.mark.parametrize("given", [["N=300"], ["--args", "ones"]])
def test_list_names_the_choices(kernel: str, given: list[str]) -> None:
    result = gemel(kernel, *given, "--list")
    assert result.exit_code == 0 and ".streams" in result.output and "schedules" in result.output


def test_entries_are_shown_and_dropped(kernel: str) -> None:
    assert "nothing has been found yet" in gemel("--show").output
    kept("abcdef1234"), kept("abd")
    shown = gemel("--show").output
    assert "abcdef12" in shown and "1.25" in shown and "total" in shown
    assert "dropped: 1" in gemel("--forget", "abcdef12").output
    assert "dropped: 1" in gemel("--forget", "all").output and list(tuned.entries()) == []


def test_a_folder_may_be_named(kernel: str, tmp_path: Path) -> None:
    kept("abc")
    other = gemel("--show", "--db", tmp_path / "other")
    assert "nothing has been found yet" in other.output


@pytest.mark.parametrize(
    ("args", "code"),
    [([], "A09"), (["--forget", "123"], "A09"), (["KERNEL", "--args", "twos"], "A09"), (["KERNEL", "N=x"], "A08")],
)
def test_what_is_not_there_is_told(kernel: str, args: list[str], code: str) -> None:
    error = gemel(*(kernel if a == "KERNEL" else a for a in args)).exception
    assert isinstance(error, ArgumentError) and error.code == code


def test_a_cluster_that_is_not_there_is_told(kernel: str) -> None:
    pytest.importorskip("distributed")
    error = gemel(kernel, "N=300", "--dask", "nowhere").exception
    assert isinstance(error, ToolError) and error.code == "X02"


@pytest.mark.slow
def test_a_search(kernel: str) -> None:
    pytest.importorskip("optuna")
    result = gemel(kernel, "N=300", "--trials", 2)
    assert result.exit_code == 0 and "total: 2 candidates, 2 measured" in result.output, result.output
    shown = gemel(kernel, "N=300", "--show").output
    assert ("kept as" in result.output) == ("tuned:" in shown)
