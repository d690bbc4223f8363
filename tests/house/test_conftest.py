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
    run = subprocess.run(command, cwd=place, env={**os.environ, "GEMEL_CI": ci}, capture_output=True, text=True)
    return run.returncode, run.stdout.splitlines()[-1]


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
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
    test = suite / "test_it.py"
    test.write_text("def test_text(golden): golden('one')\n")
    assert pytest_run(suite)[0] == 1
    assert pytest_run(suite, "--update-golden")[0] == 0
    assert (suite / "golden" / "test_it" / "test_text.txt").read_text() == "one"
    assert pytest_run(suite)[0] == 0
    test.write_text("def test_text(golden): golden('two')\n")
    assert pytest_run(suite)[0] == 1
