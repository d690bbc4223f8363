"""Numba: loops with fastmath, parallel where there are threads; products by `np.dot`, which is BLAS in it."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any

import numba
import numpy as np

from gemel.bench.workload import Array, Maker, Run

THREADS = int(os.environ.get("NUMBA_NUM_THREADS", "1"))
jit = numba.njit(fastmath=True, error_model="numpy", parallel=THREADS > 1)
prange = numba.prange
half, one, a1, a3 = np.float32(0.5), np.float32(1), np.float32(0.7978845608), np.float32(0.044715)
fifth, eighth, two, tiny = np.float32(0.2), np.float32(0.125), np.float32(2), np.float32(1e-5)


def facts() -> dict[str, str]:
    """Versions."""
    return {"numba": numba.__version__}


@jit
def gemm(a, b, out):
    np.dot(a, b, out)


@jit
def gemm_tn(a, b, out):
    np.dot(a.T, b, out)


@jit
def gemm_nt(a, b, out):
    np.dot(a, b.T, out)


@jit
def gemm_tt(a, b, out):
    np.dot(a.T, b.T, out)


@jit
def gemm_i8(a, b, out):
    for i in prange(a.shape[0]):
        out[i] = 0
        for k in range(a.shape[1]):
            x = np.int32(a[i, k])
            for j in range(b.shape[1]):
                out[i, j] += x * b[k, j]


@jit
def gemv(a, x, out):
    for i in prange(a.shape[0]):
        s = np.float32(0)
        for j in range(a.shape[1]):
            s += a[i, j] * x[j]
        out[i] = s


@jit
def linear_gelu(x, w, b, out):
    np.dot(x, w, out)
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            v = out[i, j] + b[j]
            out[i, j] = half * v * (one + math.tanh(a1 * (v + a3 * v * v * v)))


@jit
def softmax(x, out):
    for i in prange(x.shape[0]):
        m = x[i, 0]
        for j in range(x.shape[1]):
            m = max(m, x[i, j])
        s = np.float32(0)
        for j in range(x.shape[1]):
            e = np.exp(x[i, j] - m)
            out[i, j] = e
            s += e
        for j in range(x.shape[1]):
            out[i, j] /= s


@jit
def layernorm(x, g, b, out):
    n = np.float32(x.shape[1])
    for i in prange(x.shape[0]):
        s = np.float32(0)
        for j in range(x.shape[1]):
            s += x[i, j]
        mean, v = s / n, np.float32(0)
        for j in range(x.shape[1]):
            v += (x[i, j] - mean) * (x[i, j] - mean)
        r = one / np.sqrt(v / n + tiny)
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean) * r * g[j] + b[j]


@jit
def rmsnorm(x, g, out):
    n = np.float32(x.shape[1])
    for i in prange(x.shape[0]):
        s = np.float32(0)
        for j in range(x.shape[1]):
            s += x[i, j] * x[i, j]
        r = one / np.sqrt(s / n + tiny)
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * r * g[j]


@jit
def gelu(x, out):
    for i in prange(x.size):
        v = x[i]
        out[i] = half * v * (one + math.tanh(a1 * (v + a3 * v * v * v)))


@jit
def attention(q, k, v, s, out):
    scale = one / np.float32(math.sqrt(q.shape[2]))
    for h in range(q.shape[0]):
        np.dot(q[h], k[h].T, s)
        for i in prange(s.shape[0]):
            m = s[i, 0]
            for j in range(s.shape[1]):
                m = max(m, s[i, j])
            total = np.float32(0)
            for j in range(s.shape[1]):
                e = np.exp((s[i, j] - m) * scale)
                s[i, j] = e
                total += e
            for j in range(s.shape[1]):
                s[i, j] /= total
        np.dot(s, v[h], out[h])


@jit
def causal(q, k, v, s, out):
    scale = one / np.float32(math.sqrt(q.shape[2]))
    for h in range(q.shape[0]):
        np.dot(q[h], k[h].T, s)
        for i in prange(s.shape[0]):
            m = s[i, 0]
            for j in range(i + 1):
                m = max(m, s[i, j])
            total = np.float32(0)
            for j in range(i + 1):
                e = np.exp((s[i, j] - m) * scale)
                s[i, j] = e
                total += e
            for j in range(i + 1):
                s[i, j] /= total
            s[i, i + 1 :] = 0
        np.dot(s, v[h], out[h])


@jit
def pad(x, p):
    for c in prange(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                p[c, i + 1, j + 1] = x[c, i, j]


@jit
def conv3x3(x, w, p, out):
    pad(x, p)
    for k in prange(w.shape[0]):
        out[k] = 0
        for c in range(w.shape[1]):
            for i in range(x.shape[1]):
                for di in range(3):
                    for dj in range(3):
                        f = w[k, c, di, dj]
                        for j in range(x.shape[2]):
                            out[k, i, j] += f * p[c, i + di, j + dj]


@jit
def depthwise(x, w, p, out):
    pad(x, p)
    for c in prange(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                s = np.float32(0)
                for di in range(3):
                    for dj in range(3):
                        s += w[c, di, dj] * p[c, i + di, j + dj]
                out[c, i, j] = s


@jit
def conv1x1(x, w, out):
    np.dot(w, x, out)


@jit
def chain(a, b, c, out):
    for i in prange(a.size):
        out[i] = math.tanh(a[i] * b[i] + c[i])


@jit
def total(x):
    s = np.float32(0)
    for i in prange(x.size):
        s += x[i]
    return s


@jit
def dot(x, y):
    s = np.float32(0)
    for i in prange(x.size):
        s += x[i] * y[i]
    return s


@jit
def cross(a, b):
    n = a.shape[0]
    for i in prange(1, n - 1):
        for j in range(1, n - 1):
            b[i, j] = fifth * (a[i, j] + a[i, j - 1] + a[i, j + 1] + a[i + 1, j] + a[i - 1, j])


@jit
def jacobi_2d(a, b, steps):
    for _ in range(steps):
        cross(a, b)
        cross(b, a)


@jit
def heat(a, b):
    n = a.shape[0]
    for i in prange(1, n - 1):
        for j in range(1, n - 1):
            for k in range(1, n - 1):
                c = a[i, j, k]
                x = a[i + 1, j, k] - two * c + a[i - 1, j, k]
                y = a[i, j + 1, k] - two * c + a[i, j - 1, k]
                z = a[i, j, k + 1] - two * c + a[i, j, k - 1]
                b[i, j, k] = eighth * x + eighth * y + eighth * z + c


@jit
def heat_3d(a, b, steps):
    for _ in range(steps):
        heat(a, b)
        heat(b, a)


@jit
def add(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = a[i, j] + b[i, j]


@jit
def regions(x, count):
    for _ in range(count):
        for i in prange(2):
            x[16 * i] += 1


def _into(kernel: Any, *memory: Array) -> Maker:
    """A run that stores to the last of some arrays made beforehand."""
    return lambda *args: Run(partial(kernel, *args, *memory), lambda _: memory[-1])


def _like(kernel: Any) -> Maker:
    """The result has the shape of the first argument."""
    return lambda *args: _into(kernel, np.empty_like(args[0]))(*args)


def _product(kernel: Any, left: int, right: int, kind: Any = np.float32) -> Maker:
    """The result has the sizes of these axes of the operands."""
    return lambda a, b, *c: _into(kernel, np.empty((a.shape[left], b.shape[right]), kind))(a, b, *c)


def _scores(kernel: Any) -> Maker:
    def make(q: Array, k: Array, v: Array) -> Run:
        return _into(kernel, np.empty((q.shape[1], k.shape[1]), np.float32), np.empty_like(q))(q, k, v)

    return make


def _padded(kernel: Any) -> Maker:
    def make(x: Array, w: Array) -> Run:
        c, h, b = x.shape
        return _into(kernel, np.zeros((c, h + 2, b + 2), np.float32), np.empty((len(w), h, b), np.float32))(x, w)

    return make


def _changes(kernel: Any) -> Maker:
    return lambda *args: Run(partial(kernel, *args), lambda _: args[0])


def _points(x: Array, w: Array) -> Run:
    flat = x.reshape(len(x), -1)
    return _into(conv1x1, np.empty((len(w), flat.shape[1]), np.float32))(flat, w)


def _value(kernel: Any) -> Maker:
    return lambda *args: Run(partial(kernel, *args))


RUNS: dict[str, Maker] = {
    "gemm": _product(gemm, 0, 1),
    "gemm_tn": _product(gemm_tn, 1, 1),
    "gemm_nt": _product(gemm_nt, 0, 0),
    "gemm_tt": _product(gemm_tt, 1, 0),
    "gemm_i8": _product(gemm_i8, 0, 1, np.int32),
    "gemv": lambda a, x: _into(gemv, np.empty(len(a), np.float32))(a, x),
    "linear_gelu": _product(linear_gelu, 0, 1),
    **{k.__name__: _like(k) for k in (softmax, layernorm, rmsnorm, gelu, chain, add)},
    "attention": _scores(attention),
    "causal": _scores(causal),
    "conv3x3": _padded(conv3x3),
    "depthwise": _padded(depthwise),
    "conv1x1": _points,
    "total": _value(total),
    "dot": _value(dot),
    **{k.__name__: _changes(k) for k in (jacobi_2d, heat_3d, regions)},
}
