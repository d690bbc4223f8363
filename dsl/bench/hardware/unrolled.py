"""Kernels of `tablec` with loops unrolled by the published factors; the sources bank their local arrays likewise."""

from __future__ import annotations

import gemel as gm
from gemel import u32
from gemel.bench.hardware.tablec import N, W, isqrt

HALF = N // 2


def both(p):
    """The two iterations of a step."""
    return [2 * p, 2 * p + 1]


def four(p):
    """The four iterations of a step."""
    return [4 * p + n for n in range(4)]


def corners(p, q):
    """The iterations of a step of two loops."""
    return [(i, j) for i in both(p) for j in both(q)]


@gm.kernel
def k2mm(
    alpha_int: u32[1],
    beta_int: u32[1],
    tmp_int: u32[N, N],
    A_int: u32[N, N],
    B_int: u32[N, N],
    C_int: u32[N, N],
    D_int: u32[N, N],
):
    tmp, A, B, C, D = (gm.empty((N, N), u32) for _ in range(5))
    for i, j in gm.grid(N, N):
        A[i, j], B[i, j], C[i, j], D[i, j] = A_int[i, j], B_int[i, j], C_int[i, j], D_int[i, j]
        tmp[i, j] = tmp_int[i, j]
    for p, q in gm.grid(HALF, HALF):
        for i, j in corners(p, q):
            tmp[i, j] = 0
        for r in range(HALF):
            for i, j in corners(p, q):
                tmp[i, j] += sum(alpha_int[0] * A[i, k] * B[k, j] for k in both(r))
    for p, q in gm.grid(HALF, HALF):
        for i, j in corners(p, q):
            D[i, j] = beta_int[0] * D[i, j]
        for r in range(HALF):
            for i, j in corners(p, q):
                D[i, j] += sum(tmp[i, k] * C[k, j] for k in both(r))
    for i, j in gm.grid(N, N):
        A_int[i, j], B_int[i, j], C_int[i, j], D_int[i, j] = A[i, j], B[i, j], C[i, j], D[i, j]
        tmp_int[i, j] = tmp[i, j]


@gm.kernel
def k3mm(
    E_int: u32[N, N],
    A_int: u32[N, N],
    B_int: u32[N, N],
    F_int: u32[N, N],
    C_int: u32[N, N],
    D_int: u32[N, N],
    G_int: u32[N, N],
):
    A, B, C, D, E, F, G = (gm.empty((N, N), u32) for _ in range(7))
    for i, j in gm.grid(N, N):
        A[i, j], B[i, j], C[i, j], D[i, j] = A_int[i, j], B_int[i, j], C_int[i, j], D_int[i, j]
        E[i, j], F[i, j], G[i, j] = E_int[i, j], F_int[i, j], G_int[i, j]
    for left, right, out in ((A, B, E), (C, D, F), (E, F, G)):
        for p, q in gm.grid(HALF, HALF):
            for i, j in corners(p, q):
                out[i, j] = 0
            for r in range(HALF):
                for i, j in corners(p, q):
                    out[i, j] += sum(left[i, k] * right[k, j] for k in both(r))
    for i, j in gm.grid(N, N):
        A_int[i, j], B_int[i, j], C_int[i, j], D_int[i, j] = A[i, j], B[i, j], C[i, j], D[i, j]
        E_int[i, j], F_int[i, j], G_int[i, j] = E[i, j], F[i, j], G[i, j]


@gm.kernel
def atax(A_int: u32[N, N], x_int: u32[N], y_int: u32[N], tmp_int: u32[N]):
    A, x, y = gm.empty((N, N), u32), gm.empty((N,), u32), gm.empty((N,), u32)
    for i in range(N):
        y[i] = 0
        x[i] = x_int[i]
        for j in range(N):
            A[i, j] = A_int[i, j]
    for i in range(N):
        tmp_int[i] = 0
        for q in range(HALF):
            tmp_int[i] += sum(A[i, j] * x[j] for j in both(q))
        for q in range(HALF):
            for j in both(q):
                y[j] = y[j] + A[i, j] * tmp_int[i]
    for i in range(N):
        y_int[i] = y[i]
        x_int[i] = x[i]
        for j in range(N):
            A_int[i, j] = A[i, j]


@gm.kernel
def doitgen(A_int: u32[N, N, N], C4_int: u32[N, N], sum_int: u32[N]):
    A, C4, total = gm.empty((N, N, N), u32), gm.empty((N, N), u32), gm.empty((N,), u32)
    for r, q in gm.grid(N, N):
        for s in range(N):
            A[r, q, s] = A_int[r, q, s]
        C4[r, q] = C4_int[r, q]
    for r, q in gm.grid(N, N):
        for v in range(HALF):
            for p in both(v):
                total[p] = 0
            for w in range(HALF):
                for p in both(v):
                    total[p] += sum(A[r, q, s] * C4[s, p] for s in both(w))
        for v in range(HALF):
            for p in both(v):
                A[r, q, p] = total[p]
    for r in range(N):
        for q in range(N):
            for s in range(N):
                A_int[r, q, s] = A[r, q, s]
            C4_int[r, q] = C4[r, q]
        sum_int[r] = total[r]


@gm.kernel
def gemm(alpha_int: u32[1], beta_int: u32[1], C_int: u32[N, N], A_int: u32[N, N], B_int: u32[N, N]):
    A, B, C = (gm.empty((N, N), u32) for _ in range(3))
    alpha, beta = alpha_int[0], beta_int[0]
    for i, j in gm.grid(N, N):
        A[i, j], B[i, j], C[i, j] = A_int[i, j], B_int[i, j], C_int[i, j]
    for p in range(HALF):
        for q in range(HALF):
            for i, j in corners(p, q):
                C[i, j] = C[i, j] * beta
        for q, r in gm.grid(HALF, HALF):
            for i, j in corners(p, q):
                C[i, j] += sum(alpha * A[i, k] * B[k, j] for k in both(r))
    for i, j in gm.grid(N, N):
        C_int[i, j] = C[i, j]


@gm.kernel
def gemver(
    alpha_int: u32[1],
    beta_int: u32[1],
    A_int: u32[N, N],
    u1_int: u32[N],
    v1_int: u32[N],
    u2_int: u32[N],
    v2_int: u32[N],
    w_int: u32[N],
    x_int: u32[N],
    y_int: u32[N],
    z_int: u32[N],
):
    A = gm.empty((N, N), u32)
    u1, v1, u2, v2, w, x, y, z = (gm.empty((N,), u32) for _ in range(8))
    alpha, beta = alpha_int[0], beta_int[0]
    for i in range(N):
        u1[i], v1[i], u2[i], v2[i] = u1_int[i], v1_int[i], u2_int[i], v2_int[i]
        w[i], x[i], y[i], z[i] = w_int[i], x_int[i], y_int[i], z_int[i]
    for i, j in gm.grid(N, N):
        A[i, j] = A_int[i, j]
    for p, q in gm.grid(HALF, HALF):
        for i, j in corners(p, q):
            A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    for p, q in gm.grid(HALF, HALF):
        for i in both(p):
            x[i] += sum(beta * A[j, i] * y[j] for j in both(q))
    for p in range(HALF):
        for i in both(p):
            x[i] = x[i] + z[i]
    for p, q in gm.grid(HALF, HALF):
        for i in both(p):
            w[i] += sum(alpha * A[i, j] * x[j] for j in both(q))
    for i in range(N):
        u1_int[i], v1_int[i], u2_int[i], v2_int[i] = u1[i], v1[i], u2[i], v2[i]
        w_int[i], x_int[i], y_int[i], z_int[i] = w[i], x[i], y[i], z[i]
    for i, j in gm.grid(N, N):
        A_int[i, j] = A[i, j]


@gm.kernel
def gesummv(
    alpha_int: u32[1],
    beta_int: u32[1],
    tmp_int: u32[N],
    A_int: u32[N, N],
    B_int: u32[N, N],
    x_int: u32[N],
    y_int: u32[N],
):
    A, B = gm.empty((N, N), u32), gm.empty((N, N), u32)
    tmp, x, y = (gm.empty((N,), u32) for _ in range(3))
    alpha, beta = alpha_int[0], beta_int[0]
    for i in range(N):
        tmp[i], x[i], y[i] = tmp_int[i], x_int[i], y_int[i]
        for j in range(N):
            A[i, j], B[i, j] = A_int[i, j], B_int[i, j]
    for p in range(HALF):
        for i in both(p):
            tmp[i] = 0
            y[i] = 0
        for q in range(HALF):
            for i in both(p):
                tmp[i] += sum(A[i, j] * x[j] for j in both(q))
                y[i] += sum(B[i, j] * x[j] for j in both(q))
        for i in both(p):
            y[i] = alpha * tmp[i] + beta * y[i]
    for i in range(N):
        tmp_int[i], x_int[i], y_int[i] = tmp[i], x[i], y[i]
        for j in range(N):
            A_int[i, j], B_int[i, j] = A[i, j], B[i, j]


@gm.kernel
def gramschmidt(A_int: u32[N, W], R_int: u32[W, W], Q_int: u32[N, W]):
    A, R, Q = gm.empty((N, W), u32), gm.empty((W, W), u32), gm.empty((N, W), u32)
    for i, j in gm.grid(W, W):
        R[i, j] = R_int[i, j]
    for i, j in gm.grid(N, W):
        A[i, j], Q[i, j] = A_int[i, j], Q_int[i, j]
    for k in range(W):
        norm: u32 = 0
        for p in range(N // 4):
            norm += sum(A[i, k] * A[i, k] for i in four(p))
        R[k, k] = isqrt(norm)
        gm.assume(R[k, k] != 0)
        for p in range(N // 4):
            for i in four(p):
                Q[i, k] = A[i, k] // R[k, k]
        for j in range(k + 1, W):
            R[k, j] = 0
            for p in range(N // 4):
                R[k, j] += sum(Q[i, k] * A[i, j] for i in four(p))
            for p in range(N // 4):
                for i in four(p):
                    A[i, j] = A[i, j] - Q[i, k] * R[k, j]
    for i, j in gm.grid(W, W):
        R_int[i, j] = R[i, j]
    for i, j in gm.grid(N, W):
        A_int[i, j], Q_int[i, j] = A[i, j], Q[i, j]


@gm.kernel
def mvt(x1_int: u32[N], x2_int: u32[N], y1_int: u32[N], y2_int: u32[N], A_int: u32[N, N]):
    A = gm.empty((N, N), u32)
    x1, x2, y1, y2 = (gm.empty((N,), u32) for _ in range(4))
    for i in range(N):
        y1[i], y2[i], x1[i], x2[i] = y1_int[i], y2_int[i], x1_int[i], x2_int[i]
    for i, j in gm.grid(N, N):
        A[i, j] = A_int[i, j]
    for p, q in gm.grid(HALF, HALF):
        for i in both(p):
            x1[i] += sum(A[i, j] * y1[j] for j in both(q))
    for p, q in gm.grid(HALF, HALF):
        for i in both(p):
            x2[i] += sum(A[j, i] * y2[j] for j in both(q))
    for i in range(N):
        x1_int[i], x2_int[i] = x1[i], x2[i]


@gm.kernel
def syr2k(alpha_int: u32[1], beta_int: u32[1], C_int: u32[W, W], A_int: u32[W, N], B_int: u32[W, N]):
    A, B = gm.empty((W, N), u32), gm.empty((W, N), u32)
    alpha, beta = alpha_int[0], beta_int[0]
    for i, j in gm.grid(W, N):
        A[i, j], B[i, j] = A_int[i, j], B_int[i, j]
    for i in range(W):
        for j in range(i + 1):
            C_int[i, j] = C_int[i, j] * beta
        for j in range(i + 1):
            for r in range(HALF):
                C_int[i, j] += sum(A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k] for k in both(r))
    for i, j in gm.grid(W, N):
        A_int[i, j], B_int[i, j] = A[i, j], B[i, j]


@gm.kernel
def syrk(alpha_int: u32[1], beta_int: u32[1], C: u32[W, W], A_int: u32[W, N]):
    A = gm.empty((W, N), u32)
    for i, j in gm.grid(W, N):
        A[i, j] = A_int[i, j]
    for i in range(W):
        for j in range(i + 1):
            C[i, j] = C[i, j] * beta_int[0]
        for j in range(i + 1):
            for r in range(N // 4):
                C[i, j] += sum(alpha_int[0] * A[i, k] * A[j, k] for k in four(r))
    for i, j in gm.grid(W, N):
        A_int[i, j] = A[i, j]
