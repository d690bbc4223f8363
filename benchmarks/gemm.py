"""f32 matrix product against NumPy on one thread: `python benchmarks/gemm.py`."""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np  # noqa: E402  the thread counts are read at its import
from harness import alternate, report  # noqa: E402

import gemel as gm  # noqa: E402
from gemel.examples.gemm import gemm_f32  # noqa: E402


def main() -> None:
    """Runs the benchmark."""
    rows = []
    for size in (64, 256, 512):
        rng = np.random.default_rng(0)
        a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
        runs = {"gemel": lambda a=a, b=b: gemm_f32(a, b), "numpy": lambda a=a, b=b: a @ b}
        seconds = alternate(runs, rounds=15, repeat=max(1, 256 // size))
        flops = 2 * size**3
        rows.append(
            {
                "size": size,
                "gemel GFLOP/s": flops / seconds["gemel"] / 1e9,
                "numpy GFLOP/s": flops / seconds["numpy"] / 1e9,
                "numpy time / ours": seconds["numpy"] / seconds["gemel"],
            }
        )
    report("gemm", rows)


if __name__ == "__main__":
    print(f"gemel {gm.__version__}")
    main()
