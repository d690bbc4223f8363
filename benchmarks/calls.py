"""Call overhead on 16x16 arrays beside NumPy: `python benchmarks/calls.py`."""

from __future__ import annotations

import numpy as np
from harness import alternate, report

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def add(a: f32[N, N], b: f32[N, N], out: f32[N, N]):
    out[:, :] = a + b


def main() -> None:
    """Runs the benchmark."""
    a, b, out = (np.ones((16, 16), np.float32) for _ in range(3))
    compiled = add.compile(N=16)
    runs = {
        "gemel kernel(a, b, out)": lambda: add(a, b, out),
        "gemel compiled(a, b, out)": lambda: compiled(a, b, out),
        "numpy add(a, b, out=out)": lambda: np.add(a, b, out=out),
        "numpy a @ b": lambda: a @ b,
    }
    seconds = alternate(runs, rounds=21, repeat=2000)
    base = seconds["numpy add(a, b, out=out)"]
    report("calls", [{"call": n, "ns": s * 1e9, "numpy add / this": base / s} for n, s in seconds.items()])


if __name__ == "__main__":
    main()
