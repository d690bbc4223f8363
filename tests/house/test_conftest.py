"""The test harness itself: CI refuses skips, and a golden file that differs or is missing fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from house.sources import ROOT

SUITE = """
import pytest

def test_passes(): pass

@pytest.mark.skip(reason="no judge here")
def test_skips(): pass

def test_skips_inside(): pytest.skip("no judge here")

@pytest.mark.xfail(reason="known", strict=True)
def test_fails_as_expected(): assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    return tmp_path


def pytest_run(place: Path, *options: str, ci: str = "0") -> tuple[int, str]:
    """Exit status and closing line of pytest in a folder."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(place), *options]
    few = {} if "-n" in options else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # starts in half the time
    env = {**os.environ, **few, "GEMEL_CI": ci}
    run = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    return run.returncode, run.stdout.splitlines()[-1]


@pytest.mark.parametrize("workers", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)], ids=["alone", "xdist"])
def test_ci_refuses_a_skipped_test(suite: Path, workers: tuple[str, ...]) -> None:
    (suite / "test_it.py").write_text(SUITE)
    status, closing = pytest_run(suite, *workers)
    assert status == 0 and closing.startswith("1 passed, 2 skipped, 1 xfailed")
    status, closing = pytest_run(suite, *workers, ci="1")
    assert status == 1 and closing.startswith("1 failed, 1 passed, 1 xfailed, 1 error")


def test_ci_refuses_a_skipped_file(suite: Path) -> None:
    (suite / "test_it.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    assert pytest_run(suite)[0] == pytest.ExitCode.NO_TESTS_COLLECTED
    assert pytest_run(suite, ci="1")[0] == pytest.ExitCode.INTERRUPTED


def test_golden_files(suite: Path) -> None:
    (suite / "test_it.py").write_text("".join(f"def test_{n}(golden): golden('one')\n" for n in ("as", "other", "new")))
    place = suite / "golden" / "test_it"
    place.mkdir(parents=True)
    (place / "test_as.txt").write_text("one")
    (place / "test_other.txt").write_text("two")
    status, closing = pytest_run(suite)
    assert status == 1 and closing.startswith("2 failed, 1 passed")
    assert pytest_run(suite, "--update-golden")[0] == 0
    assert [(place / f"test_{n}.txt").read_text() for n in ("as", "other", "new")] == ["one"] * 3
