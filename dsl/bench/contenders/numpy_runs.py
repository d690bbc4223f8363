"""NumPy: results and intermediate ones into arrays made beforehand, wherever NumPy can."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from gemel.bench.workload import Array, Maker, Run
from gemel.bench.workloads import around, cross, heat


def facts() -> dict[str, str]:
    """Versions; the BLAS and the kernel that it has chosen."""
    found = {"numpy": np.__version__}
    try:
        import threadpoolctl
    except ImportError:
        return {**found, "blas": "unknown: threadpoolctl is missing"}
    for pool in threadpoolctl.threadpool_info():
        if pool["user_api"] == "blas":
            kernel = pool.get("architecture", "?")
            found["blas"] = f"{pool['internal_api']} {pool['version']}, {kernel} kernel, {pool['num_threads']} threads"
    return found


def product(a: Array, b: Array, *shape: int) -> Run:
    """a @ b."""
    out = np.empty(shape, np.float32)
    return Run(partial(np.matmul, a, b, out=out))


def integers(a: Array, b: Array) -> Run:
    """Converted to i32: the product of i8 would wrap."""
    x, y = a.astype(np.int32), b.astype(np.int32)
    out = np.empty((a.shape[0], b.shape[1]), np.int32)
    return Run(partial(np.matmul, x, y, out=out))


def _gelu_in(x: Array, t: Array) -> Array:
    np.multiply(x, x, out=t)
    t *= x
    t *= np.float32(0.044715)
    t += x
    t *= np.float32(0.7978845608)
    np.tanh(t, out=t)
    t += np.float32(1)
    t *= x
    t *= np.float32(0.5)
    return t


def linear(x: Array, w: Array, b: Array) -> Run:
    y = np.empty((x.shape[0], w.shape[1]), np.float32)
    t = np.empty_like(y)

    def call() -> Array:
        np.matmul(x, w, out=y)
        np.add(y, b, out=y)
        return _gelu_in(y, t)

    return Run(call)


def _softmax_in(e: Array) -> Array:
    e -= e.max(axis=-1, keepdims=True)
    np.exp(e, out=e)
    e /= e.sum(axis=-1, keepdims=True)
    return e


def softmax(x: Array) -> Run:
    e = np.empty_like(x)

    def call() -> Array:
        np.subtract(x, x.max(axis=1, keepdims=True), out=e)
        np.exp(e, out=e)
        np.divide(e, e.sum(axis=1, keepdims=True), out=e)
        return e

    return Run(call)


def layernorm(x: Array, g: Array, b: Array) -> Run:
    d, t = np.empty_like(x), np.empty_like(x)

    def call() -> Array:
        np.subtract(x, x.mean(axis=1, keepdims=True), out=d)
        np.multiply(d, d, out=t)
        np.divide(d, np.sqrt(t.mean(axis=1, keepdims=True) + np.float32(1e-5)), out=d)
        np.multiply(d, g, out=d)
        return np.add(d, b, out=d)

    return Run(call)


def rmsnorm(x: Array, g: Array) -> Run:
    t = np.empty_like(x)

    def call() -> Array:
        np.multiply(x, x, out=t)
        np.divide(x, np.sqrt(t.mean(axis=1, keepdims=True) + np.float32(1e-5)), out=t)
        return np.multiply(t, g, out=t)

    return Run(call)


def gelu(x: Array) -> Run:
    t = np.empty_like(x)
    return Run(lambda: _gelu_in(x, t))


def attention(q: Array, k: Array, v: Array, mask: Array | None = None) -> Run:
    s = np.empty((*q.shape[:2], k.shape[1]), np.float32)
    out, scale = np.empty_like(q), np.float32(q.shape[-1] ** -0.5)

    def call() -> Array:
        np.matmul(q, k.transpose(0, 2, 1), out=s)
        np.multiply(s, scale, out=s)
        if mask is not None:
            np.add(s, mask, out=s)
        return np.matmul(_softmax_in(s), v, out=out)

    return Run(call)


def below(length: int) -> Array:
    """What is added to the scores so that a row sees the rows up to it."""
    return np.where(np.tri(length, dtype=bool), np.float32(0), np.float32(-np.inf))


def conv3x3(x: Array, w: Array) -> Run:
    """As one matrix product of the filters with all windows."""
    c, h, b = x.shape
    windows, flat = np.empty((c, 3, 3, h, b), np.float32), w.reshape(w.shape[0], -1)
    out = np.empty((w.shape[0], h * b), np.float32)

    def call() -> Array:
        p = around(x)
        for i in range(3):
            for j in range(3):
                windows[:, i, j] = p[:, i : i + h, j : j + b]
        return np.matmul(flat, windows.reshape(c * 9, h * b), out=out)

    return Run(call)


def depthwise(x: Array, w: Array) -> Run:
    out, t, (_, h, b) = np.empty_like(x), np.empty_like(x), x.shape

    def call() -> Array:
        p = around(x)
        out[:] = 0
        for i in range(3):
            for j in range(3):
                np.multiply(w[:, i, j, None, None], p[:, i : i + h, j : j + b], out=t)
                np.add(out, t, out=out)
        return out

    return Run(call)


def chain(a: Array, b: Array, c: Array) -> Run:
    t = np.empty_like(a)

    def call() -> Array:
        np.multiply(a, b, out=t)
        np.add(t, c, out=t)
        return np.tanh(t, out=t)

    return Run(call)


def sweeps(sweep: Callable[[Array], Array]) -> Maker:
    """A stencil."""

    def make(a: Array, b: Array, steps: int) -> Run:
        inside = (slice(1, -1),) * a.ndim

        def call() -> Array:
            for _ in range(steps):
                b[inside] = sweep(a)
                a[inside] = sweep(b)
            return a

        return Run(call)

    return make


def add(a: Array, b: Array) -> Run:
    out = np.empty_like(a)
    return Run(partial(np.add, a, b, out=out))


def regions(x: Array, count: int) -> Run:
    """Python's own thread pool."""
    pool = ThreadPoolExecutor(2)

    def one(i: int) -> None:
        x[16 * i] += 1

    def call() -> Array:
        for _ in range(count):
            list(pool.map(one, range(2)))
        return x

    return Run(call)


def _of(kernel: Callable[..., Any]) -> Maker:
    return lambda *args: Run(partial(kernel, *args))


RUNS: dict[str, Maker] = {
    "gemm": lambda a, b: product(a, b, a.shape[0], b.shape[1]),
    "gemm_tn": lambda a, b: product(a.T, b, a.shape[1], b.shape[1]),
    "gemm_nt": lambda a, b: product(a, b.T, a.shape[0], b.shape[0]),
    "gemm_tt": lambda a, b: product(a.T, b.T, a.shape[1], b.shape[0]),
    "gemm_i8": integers,
    "gemv": lambda a, x: product(a, x, a.shape[0]),
    "linear_gelu": linear,
    "softmax": softmax,
    "layernorm": layernorm,
    "rmsnorm": rmsnorm,
    "gelu": gelu,
    "attention": attention,
    "causal": lambda q, k, v: attention(q, k, v, below(q.shape[1])),
    "conv3x3": conv3x3,
    "depthwise": depthwise,
    "conv1x1": lambda x, w: product(w, x.reshape(x.shape[0], -1), w.shape[0], x[0].size),
    "chain": chain,
    "total": _of(np.sum),
    "dot": _of(np.dot),
    "jacobi_2d": sweeps(cross),
    "heat_3d": sweeps(heat),
    "add": add,
    "regions": regions,
}
