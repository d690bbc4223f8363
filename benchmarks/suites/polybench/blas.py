"""BLAS routines of PolyBench."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64
from suites.case import Case

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm(alpha: f64, beta: f64, C: f64[M, N], A: f64[M, K], B: f64[K, N]):
    for i in range(M):
        for j in range(N):
            C[i, j] *= beta
        for k in range(K):
            for j in range(N):
                C[i, j] += alpha * A[i, k] * B[k, j]


def gemm_reference(alpha: float, beta: float, C: Any, A: Any, B: Any) -> None:
    C[:] = beta * C + alpha * A @ B


@gm.kernel
def gemver(
    alpha: f64,
    beta: f64,
    A: f64[N, N],
    u1: f64[N],
    v1: f64[N],
    u2: f64[N],
    v2: f64[N],
    w: f64[N],
    x: f64[N],
    y: f64[N],
    z: f64[N],
):
    for i, j in gm.grid(N, N):
        A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    for i, j in gm.grid(N, N):
        x[i] += beta * A[j, i] * y[j]
    for i in range(N):
        x[i] += z[i]
    for i, j in gm.grid(N, N):
        w[i] += alpha * A[i, j] * x[j]


def gemver_reference(
    alpha: float, beta: float, A: Any, u1: Any, v1: Any, u2: Any, v2: Any, w: Any, x: Any, y: Any, z: Any
) -> None:
    A += np.outer(u1, v1) + np.outer(u2, v2)
    x += beta * A.T @ y + z
    w += alpha * A @ x


@gm.kernel
def gesummv(alpha: f64, beta: f64, A: f64[N, N], B: f64[N, N], x: f64[N]) -> f64[N]:
    y = gm.empty((N,), f64)
    for i in range(N):
        t: f64 = 0.0
        s: f64 = 0.0
        for j in range(N):
            t += A[i, j] * x[j]
            s += B[i, j] * x[j]
        y[i] = alpha * t + beta * s
    return y


def gesummv_reference(alpha: float, beta: float, A: Any, B: Any, x: Any) -> Any:
    return alpha * (A @ x) + beta * (B @ x)


@gm.kernel
def symm(alpha: f64, beta: f64, C: f64[M, N], A: f64[M, M], B: f64[M, N]):
    """A is symmetric; only its lower triangle is read."""
    for i in range(M):
        for j in range(N):
            t: f64 = 0.0
            for k in range(i):
                C[k, j] += alpha * B[i, j] * A[i, k]
                t += B[k, j] * A[i, k]
            C[i, j] = beta * C[i, j] + alpha * B[i, j] * A[i, i] + alpha * t


def symm_reference(alpha: float, beta: float, C: Any, A: Any, B: Any) -> None:
    whole = np.tril(A) + np.tril(A, -1).T
    C[:] = beta * C + alpha * whole @ B


@gm.kernel
def syr2k(alpha: f64, beta: f64, C: f64[N, N], A: f64[N, M], B: f64[N, M]):
    for i in range(N):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(M):
            for j in range(i + 1):
                C[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]


def syr2k_reference(alpha: float, beta: float, C: Any, A: Any, B: Any) -> None:
    new = beta * C + alpha * (B @ A.T + A @ B.T)
    C[:] = np.tril(new) + np.triu(C, 1)


@gm.kernel
def syrk(alpha: f64, beta: f64, C: f64[N, N], A: f64[N, M]):
    for i in range(N):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(M):
            for j in range(i + 1):
                C[i, j] += alpha * A[i, k] * A[j, k]


def syrk_reference(alpha: float, beta: float, C: Any, A: Any) -> None:
    C[:] = np.tril(beta * C + alpha * A @ A.T) + np.triu(C, 1)


@gm.kernel
def trmm(alpha: f64, A: f64[M, M], B: f64[M, N]):
    """B becomes alpha times the transpose of the unit lower triangular A, times B."""
    for i in range(M):
        for j in range(N):
            for k in range(i + 1, M):
                B[i, j] += A[k, i] * B[k, j]
            B[i, j] = alpha * B[i, j]


def trmm_reference(alpha: float, A: Any, B: Any) -> None:
    B[:] = alpha * (np.tril(A, -1) + np.eye(len(A))).T @ B


def arrays(*shapes: tuple[int, ...]) -> Any:
    """Random arrays of given shapes."""

    def make(rng: np.random.Generator) -> tuple[Any, ...]:
        return tuple(rng.standard_normal(s) for s in shapes)

    return make


def _three(rng: np.random.Generator, M: int, N: int, K: int) -> tuple[Any, ...]:
    return (1.5, 1.2, *arrays((M, N), (M, K), (K, N))(rng))


def _gemver(rng: np.random.Generator, N: int) -> tuple[Any, ...]:
    return (1.5, 1.2, *arrays((N, N), *[(N,)] * 8)(rng))


CASES = [
    Case("gemm", gemm, _three, gemm_reference, {"M": 5, "N": 6, "K": 7}, {"M": 60, "N": 70, "K": 80}),
    Case("gemver", gemver, _gemver, gemver_reference, {"N": 6}, {"N": 120}),
    Case(
        "gesummv",
        gesummv,
        lambda rng, N: (1.5, 1.2, *arrays((N, N), (N, N), (N,))(rng)),
        gesummv_reference,
        {"N": 6},
        {"N": 90},
    ),
    Case(
        "symm",
        symm,
        lambda rng, M, N: (1.5, 1.2, *arrays((M, N), (M, M), (M, N))(rng)),
        symm_reference,
        {"M": 5, "N": 6},
        {"M": 60, "N": 80},
    ),
    Case(
        "syr2k",
        syr2k,
        lambda rng, M, N: (1.5, 1.2, *arrays((N, N), (N, M), (N, M))(rng)),
        syr2k_reference,
        {"M": 5, "N": 6},
        {"M": 60, "N": 80},
    ),
    Case(
        "syrk",
        syrk,
        lambda rng, M, N: (1.5, 1.2, *arrays((N, N), (N, M))(rng)),
        syrk_reference,
        {"M": 5, "N": 6},
        {"M": 60, "N": 80},
    ),
    Case(
        "trmm",
        trmm,
        lambda rng, M, N: (1.5, *arrays((M, M), (M, N))(rng)),
        trmm_reference,
        {"M": 5, "N": 6},
        {"M": 60, "N": 80},
    ),
]
