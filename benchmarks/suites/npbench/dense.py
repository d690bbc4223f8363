"""npbench's PolyBench kernels: the same work as in `suites.polybench`, on whole arrays as NumPy would write it.

Inputs and references are those of the PolyBench cases of the same name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import gemel as gm
from gemel import f32, f64, i8, i32
from suites import polybench
from suites.case import Case

H, K, L, M, N, NX, NY, P, Q, R, T, W = gm.dims("H K L M N NX NY P Q R T W")


@gm.kernel
def gemm(alpha: f64, beta: f64, C: f64[M, N], A: f64[M, K], B: f64[K, N]):
    C[:] = alpha * A @ B + beta * C


@gm.kernel
def k2mm(alpha: f64, beta: f64, A: f64[M, K], B: f64[K, N], C: f64[N, L], D: f64[M, L]):
    D[:] = alpha * A @ B @ C + beta * D


@gm.kernel
def k3mm(A: f64[M, K], B: f64[K, N], C: f64[N, L], D: f64[L, P]) -> f64[M, P]:
    return A @ B @ C @ D


@gm.kernel
def atax(A: f64[M, N], x: f64[N]) -> f64[N]:
    return (A @ x) @ A


@gm.kernel
def bicg(A: f64[N, M], p: f64[M], r: f64[N]) -> tuple[f64[M], f64[N]]:
    return r @ A, A @ p


@gm.kernel
def mvt(x1: f64[N], x2: f64[N], y1: f64[N], y2: f64[N], A: f64[N, N]):
    x1 += A @ y1
    x2 += y2 @ A


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
    A += u1[:, None] * v1 + u2[:, None] * v2
    x += beta * y @ A + z
    w += alpha * A @ x


@gm.kernel
def gesummv(alpha: f64, beta: f64, A: f64[N, N], B: f64[N, N], x: f64[N]) -> f64[N]:
    return alpha * A @ x + beta * B @ x


@gm.kernel
def symm(alpha: f64, beta: f64, C: f64[M, N], A: f64[M, M], B: f64[M, N]):
    C *= beta
    for i in range(M):
        for j in range(N):
            C[:i, j] += alpha * B[i, j] * A[i, :i]
            C[i, j] += alpha * (B[i, j] * A[i, i] + B[:i, j] @ A[i, :i])


@gm.kernel
def syr2k(alpha: f64, beta: f64, C: f64[N, N], A: f64[N, M], B: f64[N, M]):
    for i in range(N):
        C[i, : i + 1] *= beta
        for k in range(M):
            C[i, : i + 1] += A[: i + 1, k] * alpha * B[i, k] + B[: i + 1, k] * alpha * A[i, k]


@gm.kernel
def syrk(alpha: f64, beta: f64, C: f64[N, N], A: f64[N, M]):
    for i in range(N):
        C[i, : i + 1] *= beta
        for k in range(M):
            C[i, : i + 1] += alpha * A[i, k] * A[: i + 1, k]


@gm.kernel
def trmm(alpha: f64, A: f64[M, M], B: f64[M, N]):
    for i in range(M):
        for j in range(N):
            B[i, j] += A[i + 1 :, i] @ B[i + 1 :, j]
    B *= alpha


@gm.kernel
def cholesky(A: f64[N, N]):
    for i in range(N):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[j, :j]
            A[i, j] = A[i, j] / A[j, j]
        A[i, i] -= A[i, :i] @ A[i, :i]
        A[i, i] = gm.sqrt(A[i, i])


@gm.kernel
def cholesky2(A: f64[N, N]):
    """By columns, as LAPACK does for the call that npbench makes here."""
    for j in range(N):
        A[j, j] = gm.sqrt(A[j, j] - A[j, :j] @ A[j, :j])
        for i in range(j + 1, N):
            A[i, j] = (A[i, j] - A[i, :j] @ A[j, :j]) / A[j, j]


@gm.kernel
def correlation(data: f64[N, M]) -> f64[M, M]:
    mean = data.mean(axis=0)
    spread = data - mean
    raw = gm.sqrt((spread * spread).mean(axis=0))
    stddev = gm.where(raw <= 0.1, 1.0, raw)
    data -= mean
    data /= gm.sqrt(f64(N)) * stddev
    corr = gm.zeros((M, M), f64)
    for i in range(M):
        corr[i, i] = 1.0
    for i in range(M - 1):
        corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
        corr[i + 1 :, i] = corr[i, i + 1 :]
    return corr


@gm.kernel
def covariance(data: f64[N, M]) -> f64[M, M]:
    data -= data.mean(axis=0)
    cov = gm.empty((M, M), f64)
    for i in range(M):
        cov[i, i:] = data[:, i] @ data[:, i:] / (f64(N) - 1.0)
        cov[i:, i] = cov[i, i:]
    return cov


@gm.kernel
def covariance2(data: f64[N, M]) -> f64[M, M]:
    data -= data.mean(axis=0)
    return data.T @ data / (f64(N) - 1.0)


@gm.kernel
def deriche(alpha: f32, image: f32[W, H]) -> f32[W, H]:
    gm.requires(W > 1 and H > 1)
    e = gm.exp(-alpha)
    e2 = gm.exp(f32(-2.0) * alpha)
    k = (1.0 - e) * (1.0 - e) / (1.0 + alpha * e * 2.0 - e2)
    a1, a2, a3, a4 = k, k * e * (alpha - 1.0), k * e * (alpha + 1.0), -k * e2
    b1, b2 = gm.exp2(-alpha), -e2
    y1 = gm.empty((W, H), f32)
    y1[:, 0] = a1 * image[:, 0]
    y1[:, 1] = a1 * image[:, 1] + a2 * image[:, 0] + b1 * y1[:, 0]
    for j in range(2, H):
        y1[:, j] = a1 * image[:, j] + a2 * image[:, j - 1] + b1 * y1[:, j - 1] + b2 * y1[:, j - 2]
    y2 = gm.empty((W, H), f32)
    y2[:, -1] = 0.0
    y2[:, -2] = a3 * image[:, -1]
    for j in range(H - 3, -1, -1):
        y2[:, j] = a3 * image[:, j + 1] + a4 * image[:, j + 2] + b1 * y2[:, j + 1] + b2 * y2[:, j + 2]
    out = (y1 + y2).copy()
    y1[0] = a1 * out[0]
    y1[1] = a1 * out[1] + a2 * out[0] + b1 * y1[0]
    for i in range(2, W):
        y1[i] = a1 * out[i] + a2 * out[i - 1] + b1 * y1[i - 1] + b2 * y1[i - 2]
    y2[-1] = 0.0
    y2[-2] = a3 * out[-1]
    for i in range(W - 3, -1, -1):
        y2[i] = a3 * out[i + 1] + a4 * out[i + 2] + b1 * y2[i + 1] + b2 * y2[i + 2]
    return y1 + y2


@gm.kernel
def doitgen(A: f64[R, Q, P], C4: f64[P, P]):
    for r in range(R):
        A[r] = A[r] @ C4


@gm.kernel
def durbin(r: f64[N]) -> f64[N]:
    gm.requires(N > 0)
    y = gm.zeros((N,), f64)
    alpha: f64 = -r[0]
    beta: f64 = 1.0
    y[0] = -r[0]
    for k in range(1, N):
        beta = beta * (1.0 - alpha * alpha)
        alpha = -(r[k] + r[:k][::-1] @ y[:k]) / beta
        y[:k] += alpha * y[:k][::-1].copy()
        y[k] = alpha
    return y


@gm.kernel
def fdtd_2d(ex: f64[NX, NY], ey: f64[NX, NY], hz: f64[NX, NY], fict: f64[T]):
    gm.requires(NX > 0 and NY > 0)
    for t in range(T):
        ey[0] = fict[t]
        ey[1:] -= 0.5 * (hz[1:] - hz[:-1])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


@gm.kernel
def floyd_warshall(path: i32[N, N]):
    for k in range(N):
        path[:] = gm.minimum(path, gm.cast(path[:, k, None] + path[None, k], i32))


@gm.kernel
def gramschmidt(A: f64[M, N]) -> tuple[f64[N, N], f64[M, N]]:
    Q = gm.zeros((M, N), f64)
    R = gm.zeros((N, N), f64)
    for k in range(N):
        R[k, k] = gm.sqrt(A[:, k] @ A[:, k])
        Q[:, k] = A[:, k] / R[k, k]
        for j in range(k + 1, N):
            R[k, j] = Q[:, k] @ A[:, j]
            A[:, j] -= Q[:, k] * R[k, j]
    return R, Q


def bent(a, along):
    """An eighth of the second difference along one axis, inside of the grid."""
    inner = [slice(1, -1)] * 3
    lower, upper = list(inner), list(inner)
    lower[along], upper[along] = slice(None, -2), slice(2, None)
    return 0.125 * (a[tuple(upper)] - 2.0 * a[tuple(inner)] + a[tuple(lower)])


@gm.kernel
def heat_3d(A: f64[N, N, N], B: f64[N, N, N], steps: i32):
    gm.requires(N > 1)
    for t in range(steps):
        for x, y in gm.unroll([(A, B), (B, A)]):
            y[1:-1, 1:-1, 1:-1] = bent(x, 0) + bent(x, 1) + bent(x, 2) + x[1:-1, 1:-1, 1:-1]


@gm.kernel
def jacobi_1d(A: f64[N], B: f64[N], steps: i32):
    gm.requires(N > 1)
    for t in range(steps):
        B[1:-1] = 0.33333 * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = 0.33333 * (B[:-2] + B[1:-1] + B[2:])


@gm.kernel
def jacobi_2d(A: f64[N, N], B: f64[N, N], steps: i32):
    gm.requires(N > 1)
    for t in range(steps):
        for x, y in gm.unroll([(A, B), (B, A)]):
            y[1:-1, 1:-1] = 0.2 * (x[1:-1, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] + x[2:, 1:-1] + x[:-2, 1:-1])


@gm.kernel
def lu(A: f64[N, N]):
    for i in range(N):
        for j in range(i):
            A[i, j] -= A[i, :j] @ A[:j, j]
            A[i, j] = A[i, j] / A[j, j]
        for j in range(i, N):
            A[i, j] -= A[i, :i] @ A[:i, j]


@gm.kernel
def ludcmp(A: f64[N, N], b: f64[N]) -> tuple[f64[N], f64[N]]:
    x = gm.zeros((N,), f64)
    y = gm.zeros((N,), f64)
    for i in range(N):
        for j in range(i):
            A[i, j] = (A[i, j] - A[i, :j] @ A[:j, j]) / A[j, j]
        for j in range(i, N):
            A[i, j] -= A[i, :i] @ A[:i, j]
    for i in range(N):
        y[i] = b[i] - A[i, :i] @ y[:i]
    for i in range(N - 1, -1, -1):
        x[i] = (y[i] - A[i, i + 1 :] @ x[i + 1 :]) / A[i, i]
    return x, y


@gm.kernel
def nussinov(seq: i8[N]) -> i32[N, N]:
    table = gm.zeros((N, N), i32)
    for i in range(N - 1, -1, -1):
        for j in range(i + 1, N):
            pair = seq[i] + seq[j] == 3 and i < j - 1
            best = max(table[i, j - 1], table[i + 1, j], table[i + 1, j - 1] + gm.where(pair, 1, 0))
            table[i, j] = gm.cast(best, i32)
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], gm.cast(table[i, k] + table[k + 1, j], i32))
    return table


@gm.kernel
def seidel_2d(A: f64[N, N], steps: i32):
    for t in range(steps):
        for i in range(1, N - 1):
            for j in range(1, N - 1):
                A[i, j] = A[i - 1 : i + 2, j - 1 : j + 2].sum() / 9.0


@gm.kernel
def trisolv(L: f64[N, N], b: f64[N]) -> f64[N]:
    x = gm.zeros((N,), f64)
    for i in range(N):
        x[i] = (b[i] - L[i, :i] @ x[:i]) / L[i, i]
    return x


@gm.kernel
def adi(u: f64[N, N], steps: i32):
    gm.requires(N > 1)
    v = gm.zeros((N, N), f64)
    p = gm.zeros((N, N), f64)
    q = gm.zeros((N, N), f64)
    dx = 1.0 / f64(N)
    dt = 1.0 / f64(steps)
    a = -dt / (dx * dx)
    d = -dt / (dx * dx) / 2.0
    b = 1.0 - 2.0 * a
    e = 1.0 - 2.0 * d
    for t in range(steps):
        v[0, 1:-1] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = v[0, 1:-1]
        for j in range(1, N - 1):
            p[1:-1, j] = -a / (a * p[1:-1, j - 1] + b)
            across = -d * u[j, :-2] + (1.0 + 2.0 * d) * u[j, 1:-1] - d * u[j, 2:]
            q[1:-1, j] = (across - a * q[1:-1, j - 1]) / (a * p[1:-1, j - 1] + b)
        v[-1, 1:-1] = 1.0
        for j in range(N - 2, 0, -1):
            v[j, 1:-1] = p[1:-1, j] * v[j + 1, 1:-1] + q[1:-1, j]
        u[1:-1, 0] = 1.0
        p[1:-1, 0] = 0.0
        q[1:-1, 0] = u[1:-1, 0]
        for j in range(1, N - 1):
            p[1:-1, j] = -d / (d * p[1:-1, j - 1] + e)
            along = -a * v[:-2, j] + (1.0 + 2.0 * a) * v[1:-1, j] - a * v[2:, j]
            q[1:-1, j] = (along - d * q[1:-1, j - 1]) / (d * p[1:-1, j - 1] + e)
        u[1:-1, -1] = 1.0
        for j in range(N - 2, 0, -1):
            u[1:-1, j] = p[1:-1, j] * u[1:-1, j + 1] + q[1:-1, j]


def covariance2_reference(data: Any) -> Any:
    result = np.cov(data.T)
    data -= data.mean(axis=0)
    return result


KERNELS = {
    "adi": adi,
    "atax": atax,
    "bicg": bicg,
    "cholesky": cholesky,
    "cholesky2": cholesky2,
    "correlation": correlation,
    "covariance": covariance,
    "covariance2": covariance2,
    "deriche": deriche,
    "doitgen": doitgen,
    "durbin": durbin,
    "fdtd_2d": fdtd_2d,
    "floyd_warshall": floyd_warshall,
    "gemm": gemm,
    "gemver": gemver,
    "gesummv": gesummv,
    "gramschmidt": gramschmidt,
    "heat_3d": heat_3d,
    "jacobi_1d": jacobi_1d,
    "jacobi_2d": jacobi_2d,
    "k2mm": k2mm,
    "k3mm": k3mm,
    "lu": lu,
    "ludcmp": ludcmp,
    "mvt": mvt,
    "nussinov": nussinov,
    "seidel_2d": seidel_2d,
    "symm": symm,
    "syr2k": syr2k,
    "syrk": syrk,
    "trisolv": trisolv,
    "trmm": trmm,
}
OTHER_NAMES = {"k2mm": "2mm", "k3mm": "3mm", "cholesky2": "cholesky", "covariance2": "covariance"}


def case(name: str, kernel: Any) -> Case:
    """The case with the inputs and the reference of PolyBench's kernel."""
    known = {c.name: c for c in polybench.suite.cases}
    found = known[OTHER_NAMES.get(name, name.replace("_", "-"))]
    return replace(found, name=name, kernel=kernel)


CASES = [case(name, kernel) for name, kernel in KERNELS.items()]
