"""From an edit to cycles: a fresh process that traces a kernel, schedules it and prints the report."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

TURNS = 7
SCRIPT = """
import gemel as gm
from gemel import i32
M, N, K = gm.dims("M N K")
@gm.kernel
def product(A: i32[M, K], B: i32[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C
print(product.synth(M=8, N=8, K=8).report)
"""


def edit_to_cycles(turns: int = TURNS) -> dict[str, float]:
    """Seconds for the 8x8x8 product in i32, Python's start included: the median turn, and the processor's part of it.

    The first turn, which reads files that aren't in memory yet, doesn't count.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "edited.py"
        path.write_text(SCRIPT, encoding="utf-8")
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "bytecode")  # it is kept, as for an installed package
        found = [_turn(path, env) for _ in range(turns + 1)][1:]
    return {
        "seconds": statistics.median(t for t, _ in found),
        "of the processor": statistics.median(c for _, c in found),
    }


def _turn(path: Path, env: Mapping[str, str]) -> tuple[float, float]:
    before, start = _used(), time.perf_counter()
    subprocess.run([sys.executable, str(path)], check=True, stdout=subprocess.DEVNULL, env=env)
    return round(time.perf_counter() - start, 3), round(_used() - before, 3)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
