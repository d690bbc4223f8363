"""The `gemel` command: what each command prints, and how it ends."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gemel.cli import app
from gemel.errors import ArgumentError

KERNELS = """
import gemel as gm
from gemel import i32

M, N = gm.dims("M N")


@gm.kernel
def total(x: i32[N]) -> i32:
    acc: i32 = 0
    for i in range(N):
        acc += x[i]
    return acc


@gm.kernel
def gather(x: i32[N], at: i32[M]) -> i32[M]:
    out = gm.empty((M,), i32)
    for i in range(M):
        out[i] = x[at[i]]
    return out


@gm.kernel
def reverse(x: i32[N]) -> i32[N]:
    out = gm.empty((N,), i32)
    for i in range(N):
        out[i] = x[N - 1 - i]
    return out
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    path = tmp_path / "kernels.py"
    path.write_text(KERNELS)
    return path


def ran(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, args)
    assert result.exit_code == code, result.output
    return result.output


def test_show(kernels: Path) -> None:
    assert "kernel total[N]" in ran("show", f"{kernels}:total")
    assert "kernel total(x: i32[8])" in ran("show", f"{kernels}:total", "N=8")
    assert "module total" in ran("show", "--verilog", f"{kernels}:total", "N=8")
    assert "define" in ran("show", "--llvm", f"{kernels}:total", "N=8")


def test_run_and_sim_compare(kernels: Path) -> None:
    assert "the same bits" in ran("run", f"{kernels}:total", "N=8")
    assert "the same bits" in ran("sim", f"{kernels}:total", "N=8")


def test_synth_writes_a_folder(kernels: Path, tmp_path: Path) -> None:
    assert "cycles: " in ran("synth", f"{kernels}:total", "N=8", "-o", str(tmp_path / "rtl"))
    assert (tmp_path / "rtl/rtl/total.sv").exists()


def test_synth_writes_a_page(kernels: Path, tmp_path: Path) -> None:
    ran("synth", f"{kernels}:total", "N=8", "--report", str(tmp_path / "total.html"))
    assert "<svg" in (tmp_path / "total.html").read_text()


def test_verify_ends_with_1_where_something_is_refuted(kernels: Path) -> None:
    assert "fails for" in ran("verify", f"{kernels}:gather", code=1)
    assert "2 proved (" in ran("verify", f"{kernels}:reverse")


@pytest.mark.parametrize(
    ("name", "size"),
    [("total", "N=8"), ("missing.py:total", "N=8"), ("{file}:nothing", "N=8"), ("{file}:total", "N=x")],
)
def test_a_name_or_size_that_is_none_is_told(kernels: Path, name: str, size: str) -> None:
    result = CliRunner().invoke(app, ["run", name.replace("{file}", str(kernels)), size])
    assert isinstance(result.exception, ArgumentError)


def test_doctor_says_how_to_get_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name in ("optuna", "pyslang"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr("importlib.metadata.version", version)
    output = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "120"}).output
    assert "pip install 'gemel[tune]'" in output and "pip install 'gemel[hw]'" in output
