"""Solvers and factorisations of PolyBench."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64
from suites.case import Case
from suites.polybench.blas import arrays

M, N = gm.dims("M N")


@gm.kernel
def cholesky(A: f64[N, N]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[j, k]
            A[i, j] = A[i, j] / A[j, j]
        for k in range(i):
            A[i, i] -= A[i, k] * A[i, k]
        A[i, i] = gm.sqrt(A[i, i])


def cholesky_reference(A: Any) -> None:
    A[:] = np.tril(np.linalg.cholesky(A)) + np.triu(A, 1)


@gm.kernel
def durbin(r: f64[N]) -> f64[N]:
    gm.requires(N > 0)
    y = gm.empty((N,), f64)
    z = gm.empty((N,), f64)
    y[0] = -r[0]
    beta: f64 = 1.0
    alpha: f64 = -r[0]
    for k in range(1, N):
        beta = (1.0 - alpha * alpha) * beta
        total: f64 = 0.0
        for i in range(k):
            total += r[k - i - 1] * y[i]
        alpha = -(r[k] + total) / beta
        for i in range(k):
            z[i] = y[i] + alpha * y[k - i - 1]
        for i in range(k):
            y[i] = z[i]
        y[k] = alpha
    return y


def durbin_reference(r: Any) -> Any:
    """Solves the Yule-Walker equations: the symmetric Toeplitz matrix of (1, r[0], ...) times y is -r."""
    n = len(r)
    first = np.concatenate([[1.0], r[:-1]])
    toeplitz = first[np.abs(np.subtract.outer(np.arange(n), np.arange(n)))]
    return np.linalg.solve(toeplitz, -r)


@gm.kernel
def gramschmidt(A: f64[M, N]) -> tuple[f64[N, N], f64[M, N]]:
    R = gm.zeros((N, N), f64)
    Q = gm.zeros((M, N), f64)
    for k in range(N):
        norm: f64 = 0.0
        for i in range(M):
            norm += A[i, k] * A[i, k]
        R[k, k] = gm.sqrt(norm)
        for i in range(M):
            Q[i, k] = A[i, k] / R[k, k]
        for j in range(k + 1, N):
            R[k, j] = 0.0
            for i in range(M):
                R[k, j] += Q[i, k] * A[i, j]
            for i in range(M):
                A[i, j] = A[i, j] - Q[i, k] * R[k, j]
    return R, Q


def gramschmidt_reference(A: Any) -> Any:
    q, r = np.linalg.qr(A)
    signs = np.sign(np.diag(r))
    q, r = q * signs, (r.T * signs).T
    start = A.copy()
    for k in range(A.shape[1]):
        A[:, k] = start[:, k] - q[:, :k] @ r[:k, k]
    return r, q


@gm.kernel
def lu(A: f64[N, N]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A[i, j] -= A[i, k] * A[k, j]
            A[i, j] = A[i, j] / A[j, j]
        for j in range(i, N):
            for k in range(i):
                A[i, j] -= A[i, k] * A[k, j]


def lu_reference(A: Any) -> None:
    for k in range(len(A)):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])


@gm.kernel
def ludcmp(A: f64[N, N], b: f64[N]) -> tuple[f64[N], f64[N]]:
    for i in range(N):
        for j in range(i):
            w: f64 = A[i, j]
            for k in range(j):
                w -= A[i, k] * A[k, j]
            A[i, j] = w / A[j, j]
        for j in range(i, N):
            w = A[i, j]
            for k in range(i):
                w -= A[i, k] * A[k, j]
            A[i, j] = w
    y = gm.empty((N,), f64)
    for i in range(N):
        v: f64 = b[i]
        for j in range(i):
            v -= A[i, j] * y[j]
        y[i] = v
    x = gm.empty((N,), f64)
    for i in range(N - 1, -1, -1):
        u: f64 = y[i]
        for j in range(i + 1, N):
            u -= A[i, j] * x[j]
        x[i] = u / A[i, i]
    return x, y


def ludcmp_reference(A: Any, b: Any) -> Any:
    x = np.linalg.solve(A, b)
    lu_reference(A)
    return x, np.linalg.solve(np.tril(A, -1) + np.eye(len(A)), b)


@gm.kernel
def trisolv(L: f64[N, N], b: f64[N]) -> f64[N]:
    x = gm.empty((N,), f64)
    for i in range(N):
        x[i] = b[i]
        for j in range(i):
            x[i] -= L[i, j] * x[j]
        x[i] = x[i] / L[i, i]
    return x


def trisolv_reference(L: Any, b: Any) -> Any:
    return np.linalg.solve(np.tril(L), b)


def positive(rng: np.random.Generator, N: int) -> Any:
    """A symmetric, positive definite matrix."""
    root = rng.standard_normal((N, N))
    return root @ root.T / N + np.eye(N)


def dominant(rng: np.random.Generator, N: int) -> Any:
    """A matrix whose diagonal dominates."""
    return rng.standard_normal((N, N)) / N + 2 * np.eye(N)


CASES = [
    Case("cholesky", cholesky, lambda rng, N: (positive(rng, N),), cholesky_reference, {"N": 6}, {"N": 120}),
    Case("durbin", durbin, lambda rng, N: (0.5 ** np.arange(1, N + 1),), durbin_reference, {"N": 7}, {"N": 120}),
    Case(
        "gramschmidt",
        gramschmidt,
        lambda rng, M, N: arrays((M, N))(rng),
        gramschmidt_reference,
        {"M": 7, "N": 5},
        {"M": 80, "N": 60},
        rtol=1e-7,
    ),
    Case("lu", lu, lambda rng, N: (dominant(rng, N),), lu_reference, {"N": 6}, {"N": 120}),
    Case(
        "ludcmp",
        ludcmp,
        lambda rng, N: (dominant(rng, N), rng.standard_normal(N)),
        ludcmp_reference,
        {"N": 6},
        {"N": 120},
    ),
    Case(
        "trisolv",
        trisolv,
        lambda rng, N: (dominant(rng, N), rng.standard_normal(N)),
        trisolv_reference,
        {"N": 6},
        {"N": 120},
    ),
]
