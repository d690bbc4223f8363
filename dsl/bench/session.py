"""Contenders in turn: each in a process of its own, stopped while another one has its turn."""

from __future__ import annotations

import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gemel.bench import machine
from gemel.bench.contenders.known import OURS
from gemel.bench.workload import Workload

Answer = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How to measure: turns for each contender, seconds a turn, seconds that loading may take, which clock counts."""

    threads: int = 1
    rounds: int = 11
    seconds: float = 0.25
    patience: float = 300.0
    clock: str = "wall"
    suites: str = ""


QUICK = Plan(rounds=3, seconds=0.05, patience=90.0)


class Worker:
    """A contender's process; it runs only while it is asked something."""

    def __init__(self, name: str, plan: Plan) -> None:
        self.name, self.plan = name, plan
        self.process: subprocess.Popen[str] | None = None
        self.facts: dict[str, str] = {}

    def ask(self, patience: float, **command: Any) -> Answer:
        """The answer to a command; `failed` says what went wrong, in the worker or with it."""
        process = self._running()
        assert process.stdin and process.stdout
        self._signal("SIGCONT")
        try:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], patience)
            line = process.stdout.readline() if ready else ""
        except OSError:
            line, ready = "", [process.stdout]
        if not line:
            self.close()
            return {"failed": "the process ended" if ready else f"not done after {patience:.0f} s"}
        self._signal("SIGSTOP")
        if hasattr(os, "waitid"):  # until it has stopped
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        answer: Answer = json.loads(line)
        return answer

    def _running(self) -> subprocess.Popen[str]:
        if self.process is None:
            cores = ",".join(map(str, machine.cores(self.plan.threads)))
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gemel.bench.worker", self.name, cores, self.plan.suites],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=machine.environment(self.plan.threads),
                text=True,
                start_new_session=True,  # Ctrl-C is for the parent, which then shows what it has
            )
        return self.process

    def _signal(self, name: str) -> None:
        if self.process is not None and hasattr(signal, name):
            os.kill(self.process.pid, getattr(signal, name))

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Times:
    """What a contender took: the medians of its turns, and all samples."""

    medians: list[float] = field(default_factory=list)
    samples: list[float] = field(default_factory=list)
    faults: float = 0.0
    first: float = 0.0
    error: float = 0.0
    failed: str = ""

    def add(self, answer: Answer, clock: str) -> None:
        """Adds a turn."""
        self.failed = answer.get("failed", self.failed)
        if not self.failed:
            self.medians.append(statistics.median(answer[clock]))
            self.samples += answer[clock]
            self.faults = answer["faults"]

    @property
    def median(self) -> float | None:
        """Over the turns."""
        return statistics.median(self.medians) if self.medians and not self.failed else None

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        if self.median is None:
            return {"failed": self.failed}
        low, high = np.quantile(self.samples, [0.1, 0.9])
        shown = {"median": self.median, "p10": float(low), "p90": float(high), "samples": len(self.samples)}
        return {**shown, "faults": round(self.faults, 2), "first": self.first, "error": self.error}


class Session:
    """The workers of a run."""

    def __init__(self, plan: Plan, names: Sequence[str]) -> None:
        self.plan = plan
        self.workers = {name: Worker(name, plan) for name in names}
        self.folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers.values():
            worker.close()
        self.folder.cleanup()

    def versions(self) -> dict[str, str]:
        """What the contenders say of themselves; those that can't start are left out."""
        found: dict[str, str] = {}
        for name, worker in list(self.workers.items()):
            answer = worker.ask(self.plan.patience, do="hello")
            if "failed" in answer:
                found[name] = answer["failed"]
                worker.close()
                del self.workers[name]
            else:
                found |= answer["facts"]
        return found

    def measure(self, w: Workload, say: Callable[[str], None] = lambda text: None) -> dict[str, Times]:
        """Loads a workload everywhere, then times the contenders in turns."""
        expected = Path(self.folder.name, "expected.npy")
        np.save(expected, w.expected())
        found: dict[str, Times] = {}
        for name, worker in self.workers.items():
            say(f"{w.name}: {name} compiles")
            times = self._loaded(worker, w, str(expected))
            if times is not None:
                found[name] = times
        names = list(found)
        for n in range(self.plan.rounds):
            for name in names[n % len(names) :] + names[: n % len(names)]:
                if not found[name].failed:
                    say(f"{w.name}: {name}, turn {n + 1} of {self.plan.rounds}")
                    found[name].add(self._turn(self.workers[name]), self.plan.clock)
        for worker in self.workers.values():
            worker.ask(60.0, do="drop")
        return found

    def _loaded(self, worker: Worker, w: Workload, expected: str) -> Times | None:
        answer = worker.ask(self.plan.patience, do="load", workload=w.name, expected=expected)
        if "missing" in answer:
            return None
        if "failed" in answer:
            return Times(failed=answer["failed"])
        return Times(first=answer["first"], error=answer["error"])

    def _turn(self, worker: Worker) -> Answer:
        return worker.ask(self.plan.patience, do="time", seconds=self.plan.seconds, least=3)

    def roofs(self) -> dict[str, float]:
        """The machine's peaks for one core: operations a second, and bytes a second by level."""
        from gemel.bench.roofline import footprints

        ours = self.workers[OURS]
        found = {"flops": ours.ask(60.0, do="roof", kind="flops", footprint=0).get("rate", 0.0)}
        for level, size in footprints().items():
            found[level] = ours.ask(60.0, do="roof", kind="bytes", footprint=size).get("rate", 0.0)
        return found
