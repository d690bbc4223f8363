"""Stencils of PolyBench; T is the number of time steps."""

from __future__ import annotations

from typing import Any

import numpy as np

import gemel as gm
from gemel import f64, i32
from suites.case import Case

N, NX, NY, T = gm.dims("N NX NY T")


@gm.kernel
def adi(u: f64[N, N], steps: i32):
    """Alternating directions: a tridiagonal solve along columns, then along rows."""
    gm.requires(N > 0)
    v = gm.empty((N, N), f64)
    p = gm.empty((N, N), f64)
    q = gm.empty((N, N), f64)
    dx = 1.0 / f64(N)
    dt = 1.0 / f64(steps)
    mul1 = 2.0 * dt / (dx * dx)
    mul2 = dt / (dx * dx)
    a = -mul1 / 2.0
    b = 1.0 + mul1
    c = a
    d = -mul2 / 2.0
    e = 1.0 + mul2
    f = d
    for t in range(steps):
        for i in range(1, N - 1):
            v[0, i] = 1.0
            p[i, 0] = 0.0
            q[i, 0] = v[0, i]
            for j in range(1, N - 1):
                p[i, j] = -c / (a * p[i, j - 1] + b)
                across = -d * u[j, i - 1] + (1.0 + 2.0 * d) * u[j, i] - f * u[j, i + 1]
                q[i, j] = (across - a * q[i, j - 1]) / (a * p[i, j - 1] + b)
            v[N - 1, i] = 1.0
            for j in range(N - 2, 0, -1):
                v[j, i] = p[i, j] * v[j + 1, i] + q[i, j]
        for i in range(1, N - 1):
            u[i, 0] = 1.0
            p[i, 0] = 0.0
            q[i, 0] = u[i, 0]
            for j in range(1, N - 1):
                p[i, j] = -f / (d * p[i, j - 1] + e)
                along = -a * v[i - 1, j] + (1.0 + 2.0 * a) * v[i, j] - c * v[i + 1, j]
                q[i, j] = (along - d * q[i, j - 1]) / (d * p[i, j - 1] + e)
            u[i, N - 1] = 1.0
            for j in range(N - 2, 0, -1):
                u[i, j] = p[i, j] * u[i, j + 1] + q[i, j]


def adi_reference(u: Any, steps: int) -> None:
    n = len(u)
    dx, dt = 1.0 / n, 1.0 / steps
    mul1, mul2 = 2.0 * dt / dx**2, dt / dx**2
    a, b, d, e = -mul1 / 2.0, 1.0 + mul1, -mul2 / 2.0, 1.0 + mul2

    def solve(outer: float, middle: float, other: float, x: Any) -> Any:
        """Solves along axis 1 with 1.0 at both ends; `x` is differenced along axis 0."""
        right = -other * x[:-2, 1:-1] + (1 + 2 * other) * x[1:-1, 1:-1] - other * x[2:, 1:-1]
        right[:, 0] -= outer
        right[:, -1] -= outer
        m = n - 2
        matrix = middle * np.eye(m) + outer * (np.eye(m, k=1) + np.eye(m, k=-1))
        return np.linalg.solve(matrix, right.T).T

    for _ in range(steps):
        v = np.ones((n, n))
        v[1:-1, 1:-1] = solve(a, b, d, u.T).T
        u[1:-1, 1:-1] = solve(d, e, a, v)
        u[1:-1, 0] = u[1:-1, -1] = 1.0


@gm.kernel
def fdtd_2d(ex: f64[NX, NY], ey: f64[NX, NY], hz: f64[NX, NY], fict: f64[T]):
    gm.requires(NX > 0)
    for t in range(T):
        for j in range(NY):
            ey[0, j] = fict[t]
        for i in range(1, NX):
            for j in range(NY):
                ey[i, j] -= 0.5 * (hz[i, j] - hz[i - 1, j])
        for i in range(NX):
            for j in range(1, NY):
                ex[i, j] -= 0.5 * (hz[i, j] - hz[i, j - 1])
        for i, j in gm.grid(NX - 1, NY - 1):
            hz[i, j] -= 0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])


def fdtd_2d_reference(ex: Any, ey: Any, hz: Any, fict: Any) -> None:
    for t in range(len(fict)):
        ey[0] = fict[t]
        ey[1:] -= 0.5 * (hz[1:] - hz[:-1])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


def bend(x: f64, before: f64, after: f64):
    """An eighth of the second difference."""
    return 0.125 * (after - 2.0 * x + before)


@gm.kernel
def heat_3d(A: f64[N, N, N], B: f64[N, N, N], steps: i32):
    for t in range(1, steps + 1):
        for source, target in gm.unroll([(A, B), (B, A)]):
            for i in range(1, N - 1):
                for j in range(1, N - 1):
                    for k in range(1, N - 1):
                        x = source[i, j, k]
                        target[i, j, k] = (
                            bend(x, source[i - 1, j, k], source[i + 1, j, k])
                            + bend(x, source[i, j - 1, k], source[i, j + 1, k])
                            + bend(x, source[i, j, k - 1], source[i, j, k + 1])
                            + x
                        )


def heat_3d_reference(A: Any, B: Any, steps: int) -> None:
    inner = slice(1, -1)
    for _ in range(steps):
        for x, y in ((A, B), (B, A)):
            total = x[inner, inner, inner].copy()
            for axis in range(3):
                turned, out = np.moveaxis(x, axis, 0), np.moveaxis(total, axis, 0)
                out += 0.125 * (turned[2:] - 2 * turned[1:-1] + turned[:-2])[:, inner, inner]
            y[inner, inner, inner] = total


@gm.kernel
def jacobi_1d(A: f64[N], B: f64[N], steps: i32):
    for t in range(steps):
        for i in range(1, N - 1):
            B[i] = 0.33333 * (A[i - 1] + A[i] + A[i + 1])
        for i in range(1, N - 1):
            A[i] = 0.33333 * (B[i - 1] + B[i] + B[i + 1])


def jacobi_1d_reference(A: Any, B: Any, steps: int) -> None:
    for _ in range(steps):
        B[1:-1] = 0.33333 * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = 0.33333 * (B[:-2] + B[1:-1] + B[2:])


@gm.kernel
def jacobi_2d(A: f64[N, N], B: f64[N, N], steps: i32):
    for t in range(steps):
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                B[i, j] = 0.2 * (A[i, j] + A[i, j - 1] + A[i, j + 1] + A[i + 1, j] + A[i - 1, j])
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = 0.2 * (B[i, j] + B[i, j - 1] + B[i, j + 1] + B[i + 1, j] + B[i - 1, j])


def jacobi_2d_reference(A: Any, B: Any, steps: int) -> None:
    for _ in range(steps):
        for x, y in ((A, B), (B, A)):
            y[1:-1, 1:-1] = 0.2 * (x[1:-1, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] + x[2:, 1:-1] + x[:-2, 1:-1])


@gm.kernel
def seidel_2d(A: f64[N, N], steps: i32):
    for t in range(steps):
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = (
                    A[i - 1, j - 1] + A[i - 1, j] + A[i - 1, j + 1]
                    + A[i, j - 1] + A[i, j] + A[i, j + 1]
                    + A[i + 1, j - 1] + A[i + 1, j] + A[i + 1, j + 1]
                ) / 9.0  # fmt: skip


def seidel_2d_reference(A: Any, steps: int) -> None:
    n = len(A)
    for _ in range(steps):
        for i in range(1, n - 1):
            for j in range(1, n - 1):
                A[i, j] = A[i - 1 : i + 2, j - 1 : j + 2].sum() / 9.0


def grids(count: int, rank: int) -> Any:
    """Random grids of N points in each direction, and a number of steps."""

    def make(rng: np.random.Generator, N: int, steps: int) -> tuple[Any, ...]:
        return (*(rng.random((N,) * rank) for _ in range(count)), steps)

    return make


def _fdtd(rng: np.random.Generator, NX: int, NY: int, T: int) -> tuple[Any, ...]:
    return (*(rng.random((NX, NY)) for _ in range(3)), np.arange(T, dtype=np.float64))


TINY, SMALL = {"N": 6, "steps": 2}, {"N": 40, "steps": 8}
CASES = [
    Case("adi", adi, grids(1, 2), adi_reference, TINY, SMALL),
    Case("fdtd-2d", fdtd_2d, _fdtd, fdtd_2d_reference, {"NX": 5, "NY": 6, "T": 2}, {"NX": 60, "NY": 80, "T": 10}),
    Case("heat-3d", heat_3d, grids(2, 3), heat_3d_reference, TINY, {"N": 20, "steps": 8}),
    Case("jacobi-1d", jacobi_1d, grids(2, 1), jacobi_1d_reference, TINY, {"N": 120, "steps": 20}),
    Case("jacobi-2d", jacobi_2d, grids(2, 2), jacobi_2d_reference, TINY, SMALL),
    Case("seidel-2d", seidel_2d, grids(1, 2), seidel_2d_reference, TINY, SMALL),
]
