"""What all tests share: nothing is skipped in CI, Hypothesis profiles, golden files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
IN_CI = os.environ.get("GEMEL_CI") == "1"

os.environ["GEMEL_CACHE_MB"] = "0"  # tests compile what they run; those of the cache say otherwise
os.environ["GEMEL_TUNED"] = "off"  # tests compute by default, whatever this user has tuned

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)

settings.register_profile("gemel", deadline=None)
settings.register_profile("gemel-ci", deadline=None, derandomize=True)
settings.load_profile("gemel-ci" if IN_CI else "gemel")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files that tests compare with")


def without_skip(report: Report) -> Report:
    """In CI a skip is a failure: a judge that is missing there would go unnoticed. An expected failure is no skip."""
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which GEMEL_CI=1 forbids: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return without_skip((yield))


def golden_path(item: pytest.Item, suffix: str) -> Path:
    """`tests/a/test_b.py::test_c[x]` has its text in `tests/golden/a/test_b/test_c[x].txt`."""
    name = re.sub(r"[^\w\[\].=+-]", "_", item.name)
    return TESTS / "golden" / item.path.relative_to(TESTS).with_suffix("") / (name + suffix)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`golden(text)` compares a text with the golden file of this test; `suffix=".sv"` names its kind."""

    def check(text: str, suffix: str = ".txt") -> None:
        path = golden_path(request.node, suffix)
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no golden file {path.relative_to(TESTS)}: run pytest --update-golden and review it"
        assert text == path.read_text(encoding="utf-8"), f"differs from {path.relative_to(TESTS)}"

    return check
