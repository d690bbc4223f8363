"""Runs of the fuzzer: drawn kernels before a judge, and the smallest failure of each run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from gemel.fuzzing.engines import SUBJECTS

MANY = 1_000_000
SHRINKING = 60.0
"""Seconds for making a failure small."""


class _TimeIsUp(BaseException):
    """Ends a run of Hypothesis, which takes any Exception for a failure of the test."""


@dataclass(frozen=True)
class Failure:
    """A kernel and arguments, as small as they were found, for which an engine fails, and how."""

    engine: str
    what: str
    case: Any
    seed: int


@dataclass
class Slice:
    """One run for one engine. `count` says how many kernels it drew."""

    engine: str
    seed: int
    examples: int = MANY
    seconds: float = 1e9
    progress: Callable[[Slice, Any], None] = lambda s, case: None
    count: int = 0
    failure: Failure | None = None

    def run(self) -> Failure | None:
        """Draws until the examples or the seconds are used up; the failure that was found, if any."""
        self._end = time.monotonic() + self.seconds
        try:
            self._test()()
        except _TimeIsUp:
            pass
        except Exception as error:
            if self.failure is None:
                raise error  # the draw itself failed
        return self.failure

    def _test(self) -> Callable[[], None]:
        subject = SUBJECTS[self.engine]

        @seed(self.seed)
        @settings(
            max_examples=self.examples,
            database=None,
            deadline=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
        )
        @given(st.data())
        def test(data: Any) -> None:
            self._one(data.draw(subject.cases), subject.judge)

        return test

    def _one(self, case: Any, judge: Callable[[Any], None]) -> None:
        if time.monotonic() > self._end:
            raise _TimeIsUp
        self.count += 1
        self.progress(self, case)
        try:
            judge(case)
        except Exception as error:
            if self.failure is None:
                self._end = time.monotonic() + SHRINKING
            self.failure = Failure(self.engine, f"{type(error).__name__}: {error}", case, self.seed)
            raise
