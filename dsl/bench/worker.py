"""The process in which one contender runs: `python -m gemel.bench.worker CONTENDER CORES`.

It reads commands, one JSON object a line, and answers each by one. What libraries print goes to stderr.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import numpy as np

from gemel.bench.workload import Run

SAMPLE = 5e-4
"""Seconds that a sample takes at least: short calls are repeated."""

SLOW = 1.0
"""Seconds after which a turn has few samples rather than going on."""

WARMING = 0.05
"""Seconds of calls before anything is measured."""

MOST = 3000
"""Samples in one turn."""

Answer = dict[str, Any]


class Worker:
    """A contender and the workload that it has at hand."""

    def __init__(self, name: str, suites: str) -> None:
        from gemel.bench.catalogue import catalogue
        from gemel.bench.contenders.known import load

        self.name, self.module = name, load(name)
        self.known = {w.name: w for w in catalogue(suites)}
        self.run: Run | None = None
        self.calls = self.repeat = 1

    def hello(self) -> Answer:
        """Versions, once everything is loaded."""
        return {"facts": self.module.facts()}

    def load(self, workload: str, expected: str) -> Answer:
        """Makes the run, checks its result, and finds how often to repeat it."""
        self.drop()
        w = self.known[workload]
        maker = w.makers.get(self.name) or (None if w.makers else self.module.RUNS.get(w.family))
        if maker is None:
            return {"missing": True}
        start = time.perf_counter()
        run = maker(*w.arguments())
        error = run.checked(np.load(expected), w.rtol)
        first = time.perf_counter() - start
        self.run, self.calls, self.repeat = run, w.calls, 1
        self.repeat = self._repeats()
        return {"first": first, "error": error}

    def _repeats(self) -> int:
        """Calls a sample, once first calls have brought whatever they bring: compilation, a faster entry."""
        if self.run is None or self.run.reset:
            return 1
        call, end, repeat = self.run.call, time.perf_counter() + WARMING, 1
        while time.perf_counter() < end:
            call()
        while seconds(call, repeat) < SAMPLE:
            repeat *= 2
        return repeat

    def time(self, seconds: float, least: int) -> Answer:
        """Samples for some seconds, after a call that warms the caches: wall and CPU seconds, page faults."""
        if self.run is None:
            raise ValueError("nothing is loaded")
        gc.collect()
        gc.disable()
        list(self._samples(0.0, 1))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        samples = list(self._samples(seconds, least))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        gc.enable()
        wall, cpu = zip(*samples, strict=True)
        return {"wall": wall, "cpu": cpu, "faults": faults / (len(samples) * self.repeat)}

    def _samples(self, seconds: float, least: int) -> Iterator[tuple[float, float]]:
        assert self.run is not None
        call, reset, turns = self.run.call, self.run.reset, range(self.repeat)
        start, count, parts = time.perf_counter(), 0, self.repeat * self.calls
        while count < MOST and (count < 1 or time.perf_counter() - start < (seconds if count >= least else SLOW)):
            if reset:
                reset()
            cpu, wall = time.process_time(), time.perf_counter()
            for _ in turns:
                call()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            yield wall / parts, cpu / parts
            count += 1

    def roof(self, kind: str, footprint: int) -> Answer:
        """A peak of the machine: operations or bytes a second."""
        from gemel.bench import roofline

        return {"rate": roofline.arithmetic() if kind == "flops" else roofline.bandwidth(footprint)}

    def drop(self) -> Answer:
        """Lets go of the workload."""
        self.run = None
        gc.collect()
        return {}


def seconds(call: Callable[[], object], count: int) -> float:
    """What some calls take."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def pinned(cores: str) -> None:
    """Keeps this process on some cores, where the system can, and ends it with its parent."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(c) for c in cores.split(",")])
    ended_with_parent()


def ended_with_parent() -> None:
    """Ends this process with its parent, where the system can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


def serve(name: str, suites: str, lines: TextIO, answers: TextIO) -> None:
    """Answers commands until there are no more."""
    worker: Worker | None = None
    for line in lines:
        command = json.loads(line)
        try:
            worker = worker or Worker(name, suites)
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Keeps stdout for the answers and serves."""
    name, cores, suites = sys.argv[1:4]
    pinned(cores)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(name, suites, sys.stdin, answers)


if __name__ == "__main__":
    main()
