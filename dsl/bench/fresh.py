"""The time from starting Python to a first result: with nothing cached, and again with what that left on disk.

Bytecode of modules is there, as it is for what pip has installed: each script runs once before it counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gemel.bench import machine
from gemel.bench.session import Plan, Times

COLD, CACHED = "first result, cold", "first result, cached"
DATA = "import numpy as np\na = b = c = np.ones((16, 16), np.float32)\n"
SCRIPTS = {
    "gemel": """
import gemel as gm
M, N = gm.dims("M N")
@gm.kernel
def f(a: gm.f32[M, N], b: gm.f32[M, N], c: gm.f32[M, N]) -> gm.f32[M, N]:
    return gm.tanh(a * b + c)
f(a, b, c)
""",
    "numpy": "np.tanh(a * b + c)\n",
    "numba": """
import math, numba
@numba.njit(cache=True)
def f(a, b, c, out):
    for i in range(16):
        for j in range(16):
            out[i, j] = math.tanh(a[i, j] * b[i, j] + c[i, j])
f(a, b, c, np.empty_like(a))
""",
    "torch": """
import torch
a = b = c = torch.from_numpy(a)
torch.tanh(a * b + c)
""",
    "torch.compile": """
import torch
a = b = c = torch.from_numpy(a)
torch.compile(lambda a, b, c: torch.tanh(a * b + c))(a, b, c)
""",
    "jax": """
import jax, jax.numpy as jnp
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
jax.jit(lambda a, b, c: jnp.tanh(a * b + c))(a, b, c).block_until_ready()
""",
}
CACHES = (
    "XDG_CACHE_HOME",
    "GEMEL_CACHE",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
)


def measure(names: Sequence[str], plan: Plan, say: Callable[[str], None]) -> dict[str, dict[str, Times]]:
    """Both rows: whole processes, in turns."""
    found = {row: {n: Times() for n in names if n in SCRIPTS} for row in (COLD, CACHED)}
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(max(1, plan.rounds // 3) + 1):
            for name in found[COLD]:
                with tempfile.TemporaryDirectory() as folder:
                    for row in (COLD, CACHED) if turn else (COLD,):
                        say(f"{row}: {name}, turn {turn}")
                        _add(found[row][name] if turn else Times(), name, Path(folder), Path(bytecode), plan)
    return found


def _add(times: Times, name: str, folder: Path, bytecode: Path, plan: Plan) -> None:
    script = folder / "first.py"
    script.write_text(DATA + SCRIPTS[name], encoding="utf-8")
    environment = {**machine.environment(plan.threads), **{c: str(folder / c.lower()) for c in CACHES}}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(bytecode)
    spent, start = _children(), time.perf_counter()
    try:
        run = subprocess.run(
            [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=plan.patience
        )
    except subprocess.TimeoutExpired:
        times.failed = f"not done after {plan.patience:.0f} s"
        return
    wall, cpu = time.perf_counter() - start, _children() - spent
    if run.returncode:
        times.failed = (run.stderr.strip().splitlines() or ["failed"])[-1][:300]
    else:
        times.add({"wall": [wall], "cpu": [cpu], "faults": 0.0}, plan.clock)


def _children() -> float:
    """CPU seconds of the processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
