"""What the benchmarks share: alternating timing, machine facts, results as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
Row = Mapping[str, object]


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int = 15, repeat: int = 1) -> dict[str, float]:
    """The median seconds of each run, one after the other in each round so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(repeat):
                run()
            times[name].append((time.perf_counter() - start) / repeat)
    return {name: statistics.median(values) for name, values in times.items()}


class Spent(NamedTuple):
    """Seconds of a process: by the clock on the wall, and of the CPU, which other processes disturb less."""

    wall: float
    cpu: float


def process_seconds(code: str, rounds: int = 11) -> Spent:
    """The medians of fresh Python processes that run `code`."""
    times = []
    with tempfile.TemporaryDirectory() as cache:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = cache  # bytecode is kept, as it is for an installed package
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env)
        for _ in range(rounds):
            start, spent = time.perf_counter(), _children()
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env)
            times.append((time.perf_counter() - start, _children() - spent))
    return Spent(*map(statistics.median, zip(*times, strict=True)))


def _children() -> float:
    """CPU seconds of the processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def machine() -> dict[str, str]:
    """What ran where."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    packages = {name: version(name) for name in ("gemel", "numpy", "llvmlite")}
    return {
        "date": str(date.today()),
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **packages,
    }


def report(name: str, rows: list[Row]) -> None:
    """Prints the rows and keeps them under benchmarks/results/."""
    facts = machine()
    table = Table(*rows[0].keys(), title=f"{name} ({facts['date']}, {facts['cpu']}, {facts['cores']} cores)")
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": facts, "rows": rows}, indent=2) + "\n")
