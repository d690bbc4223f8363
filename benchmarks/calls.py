"""What a call costs on 16x16 arrays, beside NumPy and, where they are installed, Numba and PyTorch:
`python benchmarks/calls.py`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import alternate, report

import gemel as gm
from gemel import f32, f64

N = gm.dims("N")
Runs = dict[str, Callable[[], object]]
BASES = {"add, out": "numpy add(a, b, out=c)", "add": "numpy a + b", "matmul, out": "numpy matmul(a, b, out=c)"}
"""What the others are compared with; a scalar function has no like in NumPy."""


@gm.kernel
def add(a: f32[N, N], b: f32[N, N]) -> f32[N, N]:
    return a + b


@gm.kernel
def add_into(a: f32[N, N], b: f32[N, N], c: f32[N, N]):
    c[:, :] = a + b


@gm.kernel
def accumulate(a: f32[N, N], c: f32[N, N]):
    for i, j in gm.grid(N, N):
        c[i, j] += a[i, j]


@gm.kernel
def matmul(a: f32[N, N], b: f32[N, N]) -> f32[N, N]:
    return a @ b


@gm.kernel
def scalar(x: f64, y: f64) -> f64:
    return x + y


def arrays() -> tuple[Any, Any, Any]:
    """Two operands and a place for a result."""
    return tuple(np.ones((16, 16), np.float32) for _ in range(3))


def ours() -> dict[str, Runs]:
    """Calls of kernels, by what they do."""
    a, b, c = arrays()
    compiled = add_into.compile(N=16)
    return {
        "add, out": {
            "gemel kernel(a, b, c)": lambda: add_into(a, b, c),
            "gemel kernel(a, b, out=c)": lambda: add(a, b, out=c),
            "gemel kernel(a, c), c += a": lambda: accumulate(a, c),
            "gemel compiled(a, b, c)": lambda: compiled(a, b, c),
        },
        "add": {"gemel kernel(a, b) -> c": lambda: add(a, b)},
        "matmul, out": {"gemel matmul(a, b, out=c)": lambda: matmul(a, b, out=c)},
        "scalar": {"gemel kernel(x, y) -> z": lambda: scalar(1.5, 2.5)},
    }


def numpys() -> dict[str, Runs]:
    """The same by NumPy, and a call of nothing."""
    a, b, c = arrays()
    return {
        "add, out": {"numpy add(a, b, out=c)": lambda: np.add(a, b, out=c)},
        "add": {"numpy a + b": lambda: a + b},
        "matmul, out": {"numpy matmul(a, b, out=c)": lambda: np.matmul(a, b, out=c)},
        "nothing": {"an empty lambda": lambda: None},
    }


def numbas() -> dict[str, Runs]:
    """The same by Numba; nothing where it isn't installed."""
    if not importlib.util.find_spec("numba"):
        return {}

    import numba

    @numba.njit
    def into(a: Any, b: Any, c: Any) -> None:
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                c[i, j] = a[i, j] + b[i, j]

    plus = numba.njit(lambda a, b: a + b)
    a, b, c = arrays()
    return {
        "add, out": {"numba njit(a, b, c)": lambda: into(a, b, c)},
        "add": {"numba njit(a, b) -> c": lambda: plus(a, b)},
        "scalar": {"numba njit(x, y) -> z": lambda: plus(1.5, 2.5)},
    }


def torches() -> dict[str, Runs]:
    """The same by PyTorch on one thread; nothing where it isn't installed."""
    if not importlib.util.find_spec("torch"):
        return {}
    import torch

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    a, b, c = map(torch.from_numpy, arrays())
    return {
        "add, out": {"torch add(a, b, out=c)": lambda: torch.add(a, b, out=c)},
        "add": {"torch a + b": lambda: a + b},
        "matmul, out": {"torch mm(a, b, out=c)": lambda: torch.mm(a, b, out=c)},
    }


def main() -> None:
    """Runs the benchmark."""
    kinds: dict[str, str] = {}
    runs: Runs = {}
    for found in (ours(), numpys(), numbas(), torches()):
        for kind, some in found.items():
            kinds.update(dict.fromkeys(some, kind))
            runs |= some
    for run in runs.values():
        for _ in range(100):  # until calls are warm
            run()
    seconds = alternate(runs, rounds=31, repeat=2000)
    rows = [
        row(name, kinds[name], seconds) for name in sorted(seconds, key=lambda n: list(kinds.values()).index(kinds[n]))
    ]
    report("calls", rows)


def row(name: str, kind: str, seconds: dict[str, float]) -> dict[str, object]:
    """A line of the table; times include the lambda that makes the call."""
    base = seconds.get(BASES.get(kind, ""))
    ratio = "" if base is None else base / seconds[name]
    return {"what": kind, "call": name, "ns": seconds[name] * 1e9, "numpy / this": ratio}


if __name__ == "__main__":
    main()
