"""Outside tools that a test needs: without one it is skipped, with the reason (in CI a skip is a failure)."""

from __future__ import annotations

import platform
import shutil

import pytest

from gemel.hwsynth import tools


def needs(*names: str) -> None:
    """Skips the running test unless all the named tools are there: those of hardware, `x86-64`, or programs."""
    there = tools.available()
    missing = [n for n in names if not there.get(n, _found(n))]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")


def _found(name: str) -> bool:
    if name == "x86-64":
        return platform.machine().lower() in ("x86_64", "amd64")
    return shutil.which(name) is not None
