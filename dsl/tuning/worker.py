"""The process in which schedules are timed: `python -m gemel.tuning.worker`, a pickled Job on stdin, JSON on stdout.

All run on the same arrays. Each has to give what the first one gives before it is timed: integers to the bit, floats up
to what another order of their sums may change.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemel.bench.worker import ended_with_parent
from gemel.codegen.runtime import Compiled, compile_kernel
from gemel.semantics.arguments import shape_of
from gemel.semantics.dtypes import DType, FloatType
from gemel.semantics.errors import GemelError
from gemel.semantics.ir import Kernel
from gemel.semantics.samples import sample
from gemel.semantics.storage import EXTENSIONS, Array, numpy_dtype, to_values
from gemel.semantics.traverse import stored
from gemel.tuning.job import Answer, Job, look

SAMPLE = 5e-4
"""Seconds that a sample takes at least: short calls are repeated."""

SHORTEST = 1e-9
"""Seconds that nothing is shorter than: a clock may stand still."""

FINE = 1e-6
"""Resolution of a clock that is good enough, in seconds."""

WARM = 50
"""Calls after which a short kernel's are native, or less where these take long."""

WARMING = 0.1
"""Seconds of such calls."""

HOPELESS = 1.2
"""A schedule that takes so much longer than the first one, LEAST times out of LEAST, has no more turns."""

LEAST = 5

TOLERANCE = {True: 4096.0, False: 16.0}
"""Units in the last place by which floats may differ: of single precision and above, and below."""


@dataclass
class Case:
    """A kernel's arguments, as they are before each call, and room for its results."""

    kernel: Kernel
    given: list[Any]
    room: list[Array]
    restored: list[tuple[Array, Array]]

    @staticmethod
    def of(kernel: Kernel, given: list[Any]) -> Case:
        """The case for some arguments: those that the kernel stores to are copied."""
        changed = stored(kernel.body)
        own = [x.copy() if p in changed else x for p, x in zip(kernel.params, given, strict=True)]
        pairs = [(a, b) for a, b in zip(own, given, strict=True) if a is not b]
        room = [np.empty(shape_of(b, {}), numpy_dtype(b.dtype)) for b in kernel.results]
        return Case(kernel, own, room, pairs)

    def reset(self) -> None:
        """The arguments as they were."""
        for own, given in self.restored:
            own[...] = given

    def call(self, code: Compiled) -> Callable[[], object]:
        """A call without arguments."""
        given, out = self.given, tuple(self.room)
        if not out:
            return lambda: code(*given)
        return lambda: code(*given, out=out if len(out) > 1 else out[0])

    def outcome(self, code: Compiled) -> list[tuple[DType, Array]]:
        """All that a call leaves."""
        self.reset()
        self.call(code)()
        changed = stored(self.kernel.body)
        kept = [(p.dtype, x) for p, x in zip(self.kernel.params, self.given, strict=True) if p in changed]
        return [(d, x.copy()) for d, x in (*kept, *zip((b.dtype for b in self.kernel.results), self.room, strict=True))]


def differs(dtype: DType, expected: Array, found: Array) -> str:
    """How a result differs from the expected one by more than it may; nothing where it doesn't."""
    if not isinstance(dtype, FloatType):
        return "" if np.array_equal(expected, found) else "other integers"
    a, b = _numbers(dtype, expected), _numbers(dtype, found)
    if not (np.isfinite(a) == np.isfinite(b)).all() or not np.array_equal(_rest(a), _rest(b), equal_nan=True):
        return "other infinities or NaNs"
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    typical = float(np.sqrt(np.mean(a * a))) if a.size else 0.0
    allowed = TOLERANCE[dtype.mantissa >= 23] * 2.0**-dtype.mantissa * (np.abs(a) + typical)
    worst = float(np.max(np.abs(a - b) - allowed, initial=0.0))
    return f"floats that differ by {float(np.max(np.abs(a - b))):.3g}" if worst > 0 else ""


def _rest(x: Array) -> Array:
    rest: Array = x[~np.isfinite(x)]
    return rest


def _numbers(dtype: FloatType, x: Array) -> Array:
    if dtype in EXTENSIONS and x.dtype.kind == "u":
        return np.array(to_values(x, dtype), np.float64)
    return x.astype(np.float64).reshape(-1)


class Race:
    """Calls that take turns."""

    def __init__(self, case: Case, codes: Sequence[Compiled | None], clock: str) -> None:
        self.case, self.calls = case, [None if c is None else case.call(c) for c in codes]
        fine = time.get_clock_info("process_time").resolution <= FINE
        self.clock = time.process_time if clock == "cpu" and fine else time.perf_counter
        self.repeat = 1
        self.times: list[list[float]] = [[] for _ in codes]

    def warm(self) -> None:
        """First calls bring what first calls bring; then it is known how often to repeat one."""
        for call in filter(None, self.calls):
            end = time.perf_counter() + WARMING
            for _ in range(WARM):
                self.case.reset()
                call()
                if time.perf_counter() > end:
                    break
        first = self.calls[0]
        assert first is not None
        while not self.case.restored and self.sample(first) * self.repeat < SAMPLE:
            self.repeat *= 2

    def sample(self, call: Callable[[], object]) -> float:
        """Seconds of a call."""
        self.case.reset()
        turns = range(self.repeat)
        start = self.clock()
        for _ in turns:
            call()
        return max(self.clock() - start, SHORTEST) / self.repeat

    def run(self, rounds: int, seconds: float) -> None:
        """Turns, each in an order of its own, until there are enough or the time is over."""
        order = random.Random(rounds)
        end, running = time.perf_counter() + seconds, [n for n, call in enumerate(self.calls) if call is not None]
        for turn in range(rounds):
            if turn >= LEAST and time.perf_counter() > end:
                break
            for n in order.sample(running, len(running)):
                call = self.calls[n]
                assert call is not None
                self.times[n].append(self.sample(call))
            if turn + 1 == LEAST:
                running = [n for n in running if n == 0 or not self._hopeless(n)]

    def _hopeless(self, n: int) -> bool:
        return all(a > HOPELESS * b for a, b in zip(self.times[n], self.times[0], strict=True))


def arguments(job: Job, kernel: Kernel) -> list[Any]:
    """What the job's calls get."""
    found: list[Any] = sample(kernel, job.arguments) if isinstance(job.arguments, int) else pickle.loads(job.arguments)
    return found


def measured(job: Job) -> Answer:
    """Times what the job says."""
    kernel: Kernel = pickle.loads(job.kernel)
    case = Case.of(kernel, arguments(job, kernel))
    failed, codes = [""] * len(job.schedules), [None] * len(job.schedules)
    expected: list[tuple[DType, Array]] = []
    for n, steps in enumerate(job.schedules):
        codes[n], failed[n] = _tried(case, steps, expected)
        if failed[0]:
            return Answer(broken=failed[0])
    race = Race(case, codes, job.clock)
    race.warm()
    race.run(job.rounds, job.seconds)
    return Answer(tuple(map(tuple, race.times)), tuple(failed))


def _tried(case: Case, steps: str, expected: list[tuple[DType, Array]]) -> tuple[Any, str]:
    """The code for some steps, and why it is no good; the first leaves what is expected."""
    try:
        code = compile_kernel(case.kernel, steps)
        outcome = case.outcome(code)
    except GemelError as error:
        return None, error.what
    if not expected:
        expected += outcome
    wrong = [differs(d, a, b) for (d, a), (_, b) in zip(expected, outcome, strict=True)]
    reason = next(filter(None, wrong), "")
    return (None, reason) if reason else (code, "")


def main() -> None:
    """Keeps stdout for the answer, and gives it."""
    ended_with_parent()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job: Job = pickle.load(sys.stdin.buffer)
    gc.disable()
    answer = measured(job)
    told = {"times": answer.times, "failed": answer.failed, "broken": answer.broken, "digest": look().digest}
    out.write(json.dumps(told))
    out.flush()


if __name__ == "__main__":
    main()
