"""Import time and time to the first result, in fresh processes: `python benchmarks/startup.py`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness import process_seconds, report

FIRST = """
import numpy as np, gemel as gm
from gemel import f32
N = gm.dims("N")
@gm.kernel
def saxpy(a: f32, x: f32[N], y: f32[N]) -> f32[N]:
    return a * x + y
x = np.ones(256, np.float32)
saxpy(2.0, x, x)
"""
PRODUCT = """
import numpy as np, gemel as gm
from gemel import f32
M, N, K = gm.dims("M N K")
@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C
a = np.ones((256, 256), np.float32)
gemm(a, a)
"""
HARDWARE = (
    FIRST.replace("f32", "i32")
    .replace("float32", "int32")
    .replace("saxpy(2.0, x, x)", "saxpy.synth(N=256).simulate(2, x, x)")
    .replace("return a * x + y", "return gm.cast(a * x + y, i32)")
)


def main() -> None:
    """Runs the benchmark."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {"python": "pass", "numpy": "import numpy", "gemel": "import gemel"}
        seconds = {name: process_seconds(code) for name, code in runs.items()}
        kept = str(Path(folder, "kept"))
        for name, code, cache in (
            ("first CPU result, cold", FIRST, "off"),
            ("first CPU result, from the cache", FIRST, kept),
            ("first result of a matrix product, cold", PRODUCT, "off"),
            ("first result of a matrix product, from the cache", PRODUCT, kept),
            ("first RTL result", HARDWARE, "off"),
        ):
            file = Path(folder, f"{name.replace(' ', '_')}.py")
            file.write_text(code)
            os.environ["GEMEL_CACHE"] = cache
            seconds[name] = process_seconds(f"import runpy; runpy.run_path({str(file)!r})")
    numpy, ours = seconds["numpy"], seconds["gemel"]
    rows = [
        {
            "what": name,
            "process ms": s.wall * 1e3,
            "beyond numpy ms": (s.wall - numpy.wall) * 1e3,
            "beyond gemel ms": (s.wall - ours.wall) * 1e3,
            "CPU ms": s.cpu * 1e3,
            "beyond numpy, CPU ms": (s.cpu - numpy.cpu) * 1e3,
            "beyond gemel, CPU ms": (s.cpu - ours.cpu) * 1e3,
        }
        for name, s in seconds.items()
    ]
    report("startup", rows)


if __name__ == "__main__":
    main()
