"""Data mining and the medley of PolyBench."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import gemel as gm
from gemel import f32, f64, i8, i32
from suites.case import Case
from suites.polybench.blas import arrays

H, M, N, W = gm.dims("H M N W")


@gm.kernel
def covariance(data: f64[N, M]) -> f64[M, M]:
    mean = gm.zeros((M,), f64)
    for j in range(M):
        for i in range(N):
            mean[j] += data[i, j]
        mean[j] = mean[j] / f64(N)
    for i, j in gm.grid(N, M):
        data[i, j] -= mean[j]
    cov = gm.empty((M, M), f64)
    for i in range(M):
        for j in range(i, M):
            cov[i, j] = 0.0
            for k in range(N):
                cov[i, j] += data[k, i] * data[k, j]
            cov[i, j] = cov[i, j] / (f64(N) - 1.0)
            cov[j, i] = cov[i, j]
    return cov


def covariance_reference(data: Any) -> Any:
    result = np.cov(data.T)
    data -= data.mean(axis=0)
    return result


@gm.kernel
def correlation(data: f64[N, M]) -> f64[M, M]:
    mean = gm.zeros((M,), f64)
    stddev = gm.zeros((M,), f64)
    for j in range(M):
        for i in range(N):
            mean[j] += data[i, j]
        mean[j] = mean[j] / f64(N)
    for j in range(M):
        for i in range(N):
            stddev[j] += (data[i, j] - mean[j]) * (data[i, j] - mean[j])
        stddev[j] = gm.sqrt(stddev[j] / f64(N))
        if stddev[j] <= 0.1:
            stddev[j] = 1.0
    for i, j in gm.grid(N, M):
        data[i, j] = (data[i, j] - mean[j]) / (gm.sqrt(f64(N)) * stddev[j])
    corr = gm.empty((M, M), f64)
    for i in range(M):
        corr[i, i] = 1.0
        for j in range(i + 1, M):
            corr[i, j] = 0.0
            for k in range(N):
                corr[i, j] += data[k, i] * data[k, j]
            corr[j, i] = corr[i, j]
    return corr


def correlation_reference(data: Any) -> Any:
    result = np.corrcoef(data.T)
    data[:] = (data - data.mean(axis=0)) / (math.sqrt(len(data)) * data.std(axis=0))
    return result


@gm.kernel
def deriche(alpha: f32, image: f32[W, H]) -> f32[W, H]:
    """Deriche's recursive edge filter: forwards and backwards along rows, then along columns."""
    e = gm.exp(-alpha)
    e2 = gm.exp(f32(-2.0) * alpha)
    k = (1.0 - e) * (1.0 - e) / (1.0 + 2.0 * alpha * e - e2)
    a1 = k
    a2 = k * e * (alpha - 1.0)
    a3 = k * e * (alpha + 1.0)
    a4 = -k * e2
    b1 = gm.exp2(-alpha)
    b2 = -e2
    y1 = gm.empty((W, H), f32)
    y2 = gm.empty((W, H), f32)
    out = gm.empty((W, H), f32)
    for i in range(W):
        ym1: f32 = 0.0
        ym2: f32 = 0.0
        xm1: f32 = 0.0
        for j in range(H):
            y1[i, j] = a1 * image[i, j] + a2 * xm1 + b1 * ym1 + b2 * ym2
            xm1 = image[i, j]
            ym2 = ym1
            ym1 = y1[i, j]
    for i in range(W):
        yp1: f32 = 0.0
        yp2: f32 = 0.0
        xp1: f32 = 0.0
        xp2: f32 = 0.0
        for j in range(H - 1, -1, -1):
            y2[i, j] = a3 * xp1 + a4 * xp2 + b1 * yp1 + b2 * yp2
            xp2 = xp1
            xp1 = image[i, j]
            yp2 = yp1
            yp1 = y2[i, j]
    for i, j in gm.grid(W, H):
        out[i, j] = y1[i, j] + y2[i, j]
    for j in range(H):
        tm1: f32 = 0.0
        um1: f32 = 0.0
        um2: f32 = 0.0
        for i in range(W):
            y1[i, j] = a1 * out[i, j] + a2 * tm1 + b1 * um1 + b2 * um2
            tm1 = out[i, j]
            um2 = um1
            um1 = y1[i, j]
    for j in range(H):
        tp1: f32 = 0.0
        tp2: f32 = 0.0
        vp1: f32 = 0.0
        vp2: f32 = 0.0
        for i in range(W - 1, -1, -1):
            y2[i, j] = a3 * tp1 + a4 * tp2 + b1 * vp1 + b2 * vp2
            tp2 = tp1
            tp1 = out[i, j]
            vp2 = vp1
            vp1 = y2[i, j]
    for i, j in gm.grid(W, H):
        out[i, j] = y1[i, j] + y2[i, j]
    return out


def deriche_reference(alpha: float, image: Any) -> Any:
    e, e2 = math.exp(-alpha), math.exp(-2 * alpha)
    k = (1 - e) ** 2 / (1 + 2 * alpha * e - e2)
    a = (k, k * e * (alpha - 1), k * e * (alpha + 1), -k * e2)
    b1, b2 = 2.0**-alpha, -e2

    def along(x: Any) -> Any:
        forward, backward = np.zeros_like(x), np.zeros_like(x)
        n = x.shape[1]
        at = lambda y, j: y[:, j] if 0 <= j < n else 0.0  # noqa: E731
        for j in range(n):
            forward[:, j] = a[0] * x[:, j] + a[1] * at(x, j - 1) + b1 * at(forward, j - 1) + b2 * at(forward, j - 2)
        for j in reversed(range(n)):
            backward[:, j] = a[2] * at(x, j + 1) + a[3] * at(x, j + 2)
            backward[:, j] += b1 * at(backward, j + 1) + b2 * at(backward, j + 2)
        return forward + backward

    return along(along(image.astype(np.float64)).T).T.astype(np.float32)


@gm.kernel
def floyd_warshall(path: i32[N, N]):
    for k, i, j in gm.grid(N, N, N):
        path[i, j] = min(path[i, j], gm.cast(path[i, k] + path[k, j], i32))


def floyd_warshall_reference(path: Any) -> None:
    for k in range(len(path)):
        np.minimum(path, path[:, k, None] + path[k], out=path)


@gm.kernel
def nussinov(seq: i8[N]) -> i32[N, N]:
    """Bases are 0 to 3; 0 pairs with 3, and 1 with 2."""
    table = gm.zeros((N, N), i32)
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            table[i, j] = max(table[i, j], table[i, j - 1])
            table[i, j] = max(table[i, j], table[i + 1, j])
            if i < j - 1:
                match: i32 = 0
                if seq[i] + seq[j] == 3:
                    match = 1
                table[i, j] = max(table[i, j], gm.cast(table[i + 1, j - 1] + match, i32))
            else:
                table[i, j] = max(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], gm.cast(table[i, k] + table[k + 1, j], i32))
    return table


def nussinov_reference(seq: Any) -> Any:
    n = len(seq)
    table = np.zeros((n, n), np.int32)
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            pair = int(int(seq[i]) + int(seq[j]) == 3 and i < j - 1)
            best = max(table[i, j - 1], table[i + 1, j], table[i + 1, j - 1] + pair)
            splits = [table[i, k] + table[k + 1, j] for k in range(i + 1, j)]
            table[i, j] = max([best, *splits])
    return table


CASES = [
    Case(
        "correlation",
        correlation,
        lambda rng, M, N: arrays((N, M))(rng),
        correlation_reference,
        {"M": 5, "N": 7},
        {"M": 80, "N": 100},
    ),
    Case(
        "covariance",
        covariance,
        lambda rng, M, N: arrays((N, M))(rng),
        covariance_reference,
        {"M": 5, "N": 7},
        {"M": 80, "N": 100},
    ),
    Case(
        "deriche",
        deriche,
        lambda rng, W, H: (0.25, rng.random((W, H)).astype(np.float32)),
        deriche_reference,
        {"W": 6, "H": 7},
        {"W": 64, "H": 64},
        rtol=1e-5,
    ),
    Case(
        "floyd-warshall",
        floyd_warshall,
        lambda rng, N: (rng.integers(1, 1000, (N, N), np.int32),),
        floyd_warshall_reference,
        {"N": 8},
        {"N": 60},
    ),
    Case(
        "nussinov",
        nussinov,
        lambda rng, N: (rng.integers(0, 4, N, np.int8),),
        nussinov_reference,
        {"N": 10},
        {"N": 60},
    ),
]
