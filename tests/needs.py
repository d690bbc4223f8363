"""Outside tools that a test needs: without one it is skipped, with the reason (in CI a skip is a failure)."""

from __future__ import annotations

import pytest

from gemel.hwsynth import tools


def needs(*names: str) -> None:
    """Skips the running test unless all the named tools are there."""
    there = tools.available()
    missing = [n for n in names if not there[n]]
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
