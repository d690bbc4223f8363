"""A measurement as a value that can be sent to another process or machine, and what came of it.

Each runs in a process of its own, so that a schedule whose code crashes or doesn't end takes nothing else with it.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from gemel.bench.machine import processor
from gemel.codegen import keys, threads
from gemel.codegen.cache import key
from gemel.codegen.host import Host, this_host
from gemel.semantics import ir


@dataclass(frozen=True)
class Place:
    """A machine as entries depend on it, and as default schedules see it."""

    machine: str
    model: str
    threads: int
    host: Host

    @property
    def digest(self) -> str:
        """What tells it from another one."""
        return key(self.machine, str(self.threads))


@dataclass(frozen=True)
class Job:
    """Schedules of a kernel, as texts, to be timed in turns; the first is the one that others are compared with.

    `arguments` are pickled, or a seed for random ones. Each schedule has up to `rounds` turns, in about `seconds`
    altogether, measured by the "wall" or by the "cpu" time of the process; after `patience` seconds it is given up.
    """

    kernel: bytes
    schedules: tuple[str, ...]
    arguments: bytes | int
    rounds: int
    seconds: float
    patience: float
    clock: str


@dataclass(frozen=True)
class Answer:
    """The times of each schedule, turn by turn; why one failed; why all did; and on which machine that was."""

    times: tuple[tuple[float, ...], ...] = ()
    failed: tuple[str, ...] = ()
    broken: str = ""
    digest: str = ""


def look() -> Place:
    """The machine that this process runs on."""
    return Place(keys.machine(), processor(), threads.count(), this_host())


def packed(kernel: ir.Kernel) -> bytes:
    """A kernel with known sizes for a job."""
    return pickle.dumps(kernel)


def run(job: Job) -> Answer:
    """Measures in a process of its own."""
    command = [sys.executable, "-P", "-m", "gemel.tuning.worker"]
    path = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": path, "GEMEL_TUNED": "off"}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,  # Ctrl-C is for the search, which then ends in order
    )
    try:
        said, words = process.communicate(pickle.dumps(job), job.patience)
    except subprocess.TimeoutExpired:
        return Answer(broken=f"not done after {job.patience:.0f} s")
    finally:
        process.kill()
        process.wait()
    return _answer(process.returncode, said, words.decode(errors="replace"))


def _answer(status: int, said: bytes, words: str) -> Answer:
    if status < 0:
        return Answer(broken=f"the process was ended by signal {-status}")
    try:
        told: dict[str, Any] = json.loads(said)
    except ValueError:
        last = words.strip().splitlines()[-1:] or [f"it ended with {status}"]
        return Answer(broken=f"the process failed: {last[0]}")
    times = tuple(tuple(t) for t in told["times"])
    return Answer(times, tuple(told["failed"]), told["broken"], told["digest"])
