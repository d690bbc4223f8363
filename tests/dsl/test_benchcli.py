"""`gemel bench` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gemel.bench.contenders.known import MODULES
from gemel.cli import app
from gemel.errors import ArgumentError, ToolError


def gemel(*args: object) -> Any:
    """What a command does."""
    return CliRunner().invoke(app, ["bench", *map(str, args)])


def test_list_names_workloads_and_contenders() -> None:
    result = gemel("--list")
    assert result.exit_code == 0
    assert "small gemm 16" in result.output and "npbench/adi S" in result.output
    assert all(name in result.output for name in MODULES)


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["nothing of that name"], "A09"),
        (["gemm", "--clock", "sundial"], "A06"),
        (["gemm", "--clock", "cpu", "--threads", "2"], "A06"),
        (["gemm", "--contenders", "abacus"], "A06"),
    ],
)
def test_what_is_not_there_is_told(args: list[str], code: str) -> None:
    error = gemel(*args).exception
    assert isinstance(error, ArgumentError) and error.code == code


def test_a_peer_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "numba", ("numba_runs", ("no_such_package",)))
    error = gemel("small gemm 16", "--contenders", "numba").exception
    assert isinstance(error, ToolError) and "no_such_package" in str(error)


@pytest.mark.slow
def test_a_run_writes_record_and_picture(tmp_path: Path) -> None:
    path = tmp_path / "out" / "bench.json"
    result = gemel("small gemm 16", "--quick", "--contenders", "gemel,numpy", "--json", path)
    assert result.exit_code == 0, result.output
    data = json.loads(path.read_text())
    (row,) = data["rows"]
    assert row["best"]["peer"] == "numpy" and 0 < row["reached"] < 2
    assert set(data) >= {"machine", "date", "load", "versions", "roofs", "settings", "method"}
    assert path.with_suffix(".svg").read_text().startswith("<svg")
