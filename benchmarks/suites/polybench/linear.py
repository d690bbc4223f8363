"""Chains of matrix and vector products of PolyBench."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64
from suites.case import Case
from suites.polybench.blas import arrays

M, N, K, L, P, Q, R, S = gm.dims("M N K L P Q R S")


@gm.kernel
def two_mm(alpha: f64, beta: f64, A: f64[M, K], B: f64[K, N], C: f64[N, L], D: f64[M, L]):
    t = gm.empty((M, N), f64)
    for i, j in gm.grid(M, N):
        t[i, j] = 0.0
        for k in range(K):
            t[i, j] += alpha * A[i, k] * B[k, j]
    for i, j in gm.grid(M, L):
        D[i, j] *= beta
        for k in range(N):
            D[i, j] += t[i, k] * C[k, j]


def two_mm_reference(alpha: float, beta: float, A: Any, B: Any, C: Any, D: Any) -> None:
    D[:] = beta * D + alpha * A @ B @ C


@gm.kernel
def three_mm(A: f64[M, K], B: f64[K, N], C: f64[N, L], D: f64[L, P]) -> f64[M, P]:
    E = gm.empty((M, N), f64)
    for i, j in gm.grid(M, N):
        E[i, j] = 0.0
        for k in range(K):
            E[i, j] += A[i, k] * B[k, j]
    F = gm.empty((N, P), f64)
    for i, j in gm.grid(N, P):
        F[i, j] = 0.0
        for k in range(L):
            F[i, j] += C[i, k] * D[k, j]
    G = gm.empty((M, P), f64)
    for i, j in gm.grid(M, P):
        G[i, j] = 0.0
        for k in range(N):
            G[i, j] += E[i, k] * F[k, j]
    return G


def three_mm_reference(A: Any, B: Any, C: Any, D: Any) -> Any:
    return (A @ B) @ (C @ D)


@gm.kernel
def atax(A: f64[M, N], x: f64[N]) -> f64[N]:
    y = gm.zeros((N,), f64)
    for i in range(M):
        t: f64 = 0.0
        for j in range(N):
            t += A[i, j] * x[j]
        for j in range(N):
            y[j] += A[i, j] * t
    return y


def atax_reference(A: Any, x: Any) -> Any:
    return A.T @ (A @ x)


@gm.kernel
def bicg(A: f64[N, M], p: f64[M], r: f64[N]) -> tuple[f64[M], f64[N]]:
    s = gm.zeros((M,), f64)
    q = gm.empty((N,), f64)
    for i in range(N):
        q[i] = 0.0
        for j in range(M):
            s[j] += r[i] * A[i, j]
            q[i] += A[i, j] * p[j]
    return s, q


def bicg_reference(A: Any, p: Any, r: Any) -> Any:
    return r @ A, A @ p


@gm.kernel
def doitgen(A: f64[R, Q, P], C4: f64[P, P]):
    total = gm.empty((P,), f64)
    for r, q in gm.grid(R, Q):
        for p in range(P):
            total[p] = 0.0
            for s in range(P):
                total[p] += A[r, q, s] * C4[s, p]
        for p in range(P):
            A[r, q, p] = total[p]


def doitgen_reference(A: Any, C4: Any) -> None:
    A[:] = np.einsum("rqs,sp->rqp", A, C4)


@gm.kernel
def mvt(x1: f64[N], x2: f64[N], y1: f64[N], y2: f64[N], A: f64[N, N]):
    for i, j in gm.grid(N, N):
        x1[i] += A[i, j] * y1[j]
    for i, j in gm.grid(N, N):
        x2[i] += A[j, i] * y2[j]


def mvt_reference(x1: Any, x2: Any, y1: Any, y2: Any, A: Any) -> None:
    x1 += A @ y1
    x2 += A.T @ y2


def _two_mm(rng: np.random.Generator, M: int, N: int, K: int, L: int) -> tuple[Any, ...]:
    return (1.5, 1.2, *arrays((M, K), (K, N), (N, L), (M, L))(rng))


def _three_mm(rng: np.random.Generator, M: int, N: int, K: int, L: int, P: int) -> tuple[Any, ...]:
    return arrays((M, K), (K, N), (N, L), (L, P))(rng)  # type: ignore[no-any-return]


CASES = [
    Case(
        "2mm",
        two_mm,
        _two_mm,
        two_mm_reference,
        {"M": 4, "N": 5, "K": 6, "L": 7},
        {"M": 40, "N": 50, "K": 70, "L": 80},
    ),
    Case(
        "3mm",
        three_mm,
        _three_mm,
        three_mm_reference,
        {"M": 4, "N": 5, "K": 6, "L": 7, "P": 3},
        {"M": 40, "N": 50, "K": 60, "L": 70, "P": 80},
    ),
    Case(
        "atax",
        atax,
        lambda rng, M, N: arrays((M, N), (N,))(rng),
        atax_reference,
        {"M": 5, "N": 6},
        {"M": 116, "N": 124},
    ),
    Case(
        "bicg",
        bicg,
        lambda rng, M, N: arrays((N, M), (M,), (N,))(rng),
        bicg_reference,
        {"M": 5, "N": 6},
        {"M": 116, "N": 124},
    ),
    Case(
        "doitgen",
        doitgen,
        lambda rng, Q, R, P: arrays((R, Q, P), (P, P))(rng),
        doitgen_reference,
        {"Q": 3, "R": 4, "P": 5},
        {"Q": 20, "R": 25, "P": 30},
    ),
    Case(
        "mvt",
        mvt,
        lambda rng, N: arrays((N,), (N,), (N,), (N,), (N, N))(rng),
        mvt_reference,
        {"N": 6},
        {"N": 120},
    ),
]
