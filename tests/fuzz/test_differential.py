"""Drawn kernels through every engine: the same values, or the same error."""

from __future__ import annotations

import os
import time

import pytest
from needs import needs

from gemel.fuzzing.campaign import Slice

SEED = 0 if os.environ.get("GEMEL_CI") == "1" else int(time.time())


def holds(engine: str, examples: int) -> None:
    """Fails with the smallest kernel and arguments that were found for which an engine fails."""
    failure = Slice(engine, SEED, examples).run()
    assert failure is None, f"seed {SEED}, {failure.what}\n{failure.case}"


QUICK = {"text": 30, "python": 30, "cpu": 20, "schedule": 30, "rtl": 10}
LONGER = {"text": 80, "python": 60, "cpu": 40, "schedule": 50, "rtl": 30}


@pytest.mark.parametrize(("engine", "examples"), QUICK.items())
def test_engine(engine: str, examples: int) -> None:
    holds(engine, examples)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "examples"), LONGER.items())
def test_engine_longer(engine: str, examples: int) -> None:
    holds(engine, examples)


@pytest.mark.slow
def test_verified() -> None:
    holds("verified", 8)


@pytest.mark.slow
def test_verilator() -> None:
    needs("verilator", "c++")
    holds("verilator", 2)


@pytest.mark.slow
def test_icarus() -> None:
    needs("icarus")
    holds("icarus", 20)
