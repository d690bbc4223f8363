"""Cases as files, and the fuzzer itself: it finds what is wrong, makes it small, keeps it, and says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gemel.cli import app
from gemel.errors import ArgumentError, ParseError, ToolError
from gemel.fuzzing import engines
from gemel.fuzzing.campaign import Slice
from gemel.fuzzing.cases import Case, read, write
from gemel.semantics import ir, ops
from gemel.semantics.traverse import all_exprs


def no_products(case: Case) -> None:
    if any(isinstance(e, ir.Apply) and e.op is ops.MUL for e in all_exprs(case.kernel.body)):
        raise engines.Disagreement("a product")


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that can't multiply, in place of the text form."""
    subject = engines.Subject(engines.SUBJECTS["text"].cases, no_products)
    monkeypatch.setitem(engines.SUBJECTS, "text", subject)


def test_finds_and_shrinks(broken: None) -> None:
    failure = Slice("text", 1, 300, seconds=4).run()
    assert failure is not None and "a product" in failure.what
    assert len(str(failure.case).splitlines()) < 30


def test_command_keeps_failures(broken: None, tmp_path: Path) -> None:
    record = tmp_path / "r.json"
    args = ["fuzz", "--minutes", "0.1", "--seed", "1", "--engines", "text", "--keep", str(tmp_path)]
    result = CliRunner().invoke(app, [*args, "--record", str(record)])
    assert result.exit_code == 1, result.output
    files = list(tmp_path.glob("text_*.gemel"))
    assert (files and "mul" in str(read(files[0].read_text()).kernel)) or "*" in files[0].read_text()
    assert json.loads(record.read_text())["failures"]


def test_command_counts(tmp_path: Path) -> None:
    record = tmp_path / "r.json"
    args = ["fuzz", "--minutes", "0.02", "--seed", "1", "--engines", "text", "--keep", str(tmp_path / "kept")]
    result = CliRunner().invoke(app, [*args, "--record", str(record)])
    assert result.exit_code == 0, result.output
    made = json.loads(record.read_text())
    assert made["seed"] == 1 and made["kernels"]["text"] > 0 and not made["failures"]
    assert not list(tmp_path.glob("kept/*"))


def test_ctrl_c_ends_with_the_summary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(case: Any) -> None:
        raise KeyboardInterrupt

    subject = engines.Subject(engines.SUBJECTS["text"].cases, interrupted)
    monkeypatch.setitem(engines.SUBJECTS, "text", subject)
    result = CliRunner().invoke(app, ["fuzz", "--engines", "text", "--keep", str(tmp_path)])
    assert result.exit_code == 0 and "no disagreement in 1 kernels" in result.output


def test_unknown_engine() -> None:
    result = CliRunner().invoke(app, ["fuzz", "--engines", "abacus"])
    assert isinstance(result.exception, ArgumentError) and "abacus" in str(result.exception)


def test_hypothesis_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "hypothesis" or n.startswith("gemel.fuzzing")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    result = CliRunner().invoke(app, ["fuzz"])
    assert isinstance(result.exception, ToolError) and "gemel[fuzz]" in str(result.exception)


def test_case_file_round_trip() -> None:
    text = '# {"arguments": [{"shape": [2, 1], "values": ["inf", "nan"]}, true, -3]}\n'
    text += "kernel k(a: f32[2, 1], b: bool, c: fixed(8, 4)) -> (r: f32[]) {\n  r[] = a[0, 0]\n}\n"
    assert write(read(text)) == text


@pytest.mark.parametrize("head", ["", "# {}", '# {"arguments": [1, 2]}', '# {"arguments": ["x"]}', "# [1]"])
def test_case_file_without_arguments(head: str) -> None:
    with pytest.raises(ParseError) as raised:
        read(head + "\nkernel k(a: f32) -> (r: f32[]) {\n  r[] = a\n}\n")
    assert raised.value.code == "I01"
