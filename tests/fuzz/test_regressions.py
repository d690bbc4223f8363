"""What the fuzzer found once stays mended: each case through each engine. A `.py.txt` case is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gemel.fuzzing import programs
from gemel.fuzzing.cases import read
from gemel.fuzzing.engines import SUBJECTS

FOLDER = Path(__file__).parents[1] / "regressions"
QUICK = ("text", "cpu", "schedule", "verified", "rtl")


def cases(pattern: str) -> Any:
    return pytest.mark.parametrize("path", sorted(FOLDER.glob(pattern)), ids=lambda p: p.stem)


@cases("*.gemel")
def test_regression(path: Path) -> None:
    case = read(path.read_text(encoding="utf-8"), str(path))
    for engine in QUICK:
        SUBJECTS[engine].judge(case)


@cases("*.py.txt")
def test_program(path: Path) -> None:
    programs.judge(programs.read(path.read_text(encoding="utf-8")))


def test_there_are_cases() -> None:
    assert len(list(FOLDER.glob("*.gemel"))) > 10
