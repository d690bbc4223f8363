"""The kernels of the Calyx and Piezo evaluations: PolyBench on u32 at 8x8, as their Dahlia sources have it.

Arrays that the sources copy from the interface's memories into local ones, and back, are copied here too; arithmetic
wraps at 32 bits. Arguments are named as the published inputs are.
"""

from __future__ import annotations

import gemel as gm
from gemel import u32

N, W = 8, 12


@gm.kernel
def isqrt(x: u32) -> u32:
    """The root of x, rounded down, digit by digit: two more bits of x decide one more bit of the root."""
    left: u32 = x
    rest: gm.UInt(18) = 0
    root: gm.UInt(16) = 0
    for _ in range(16):
        grown = 4 * rest + (left >> 30)
        fits = grown > 4 * root
        rest = grown - (4 * root + 1) if fits else grown
        root = 2 * root + (1 if fits else 0)
        left = left << 2
    return root


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
    for i, j in gm.grid(N, N):
        tmp[i, j] = 0
        for k in range(N):
            tmp[i, j] += alpha_int[0] * A[i, k] * B[k, j]
    for i, j in gm.grid(N, N):
        D[i, j] = beta_int[0] * D[i, j]
        for k in range(N):
            D[i, j] += tmp[i, k] * C[k, j]
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
    for i, j in gm.grid(N, N):
        E_int[i, j] = 0
        for k in range(N):
            E_int[i, j] += A_int[i, k] * B_int[k, j]
    for i, j in gm.grid(N, N):
        F_int[i, j] = 0
        for k in range(N):
            F_int[i, j] += C_int[i, k] * D_int[k, j]
    for i, j in gm.grid(N, N):
        G_int[i, j] = 0
        for k in range(N):
            G_int[i, j] += E_int[i, k] * F_int[k, j]


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
        for j in range(N):
            tmp_int[i] += A[i, j] * x[j]
        for j in range(N):
            y[j] = y[j] + A[i, j] * tmp_int[i]
    for i in range(N):
        y_int[i] = y[i]
        x_int[i] = x[i]
        for j in range(N):
            A_int[i, j] = A[i, j]


@gm.kernel
def bicg(A_int: u32[N, N], s_int: u32[N], q_int: u32[N], p_int: u32[N], r_int: u32[N]):
    for i in range(N):
        s_int[i] = 0
    for i in range(N):
        q_int[i] = 0
        for j in range(N):
            s_int[j] = s_int[j] + r_int[i] * A_int[i, j]
            q_int[i] = q_int[i] + A_int[i, j] * p_int[j]


@gm.kernel
def cholesky(A_int: u32[N, N]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A_int[i, j] = A_int[i, j] - A_int[i, k] * A_int[j, k]
            if A_int[j, j] != 0:
                A_int[i, j] = A_int[i, j] // A_int[j, j]
            else:
                A_int[i, j] = 0
        for k in range(i):
            A_int[i, i] = A_int[i, i] - A_int[i, k] * A_int[i, k]
        A_int[i, i] = isqrt(A_int[i, i])


@gm.kernel
def doitgen(A_int: u32[N, N, N], C4_int: u32[N, N], sum_int: u32[N]):
    for r, q in gm.grid(N, N):
        for p in range(N):
            sum_int[p] = 0
            for s in range(N):
                sum_int[p] += A_int[r, q, s] * C4_int[s, p]
        for p in range(N):
            A_int[r, q, p] = sum_int[p]


@gm.kernel
def durbin(r_int: u32[N], y_int: u32[N], z_int: u32[N]):
    alpha: u32 = -r_int[0]
    beta: u32 = 1
    y_int[0] = alpha
    for k in range(1, N):
        beta = (1 - alpha * alpha) * beta
        total: u32 = 0
        for i in range(k):
            total = total + r_int[k - i - 1] * y_int[i]
        alpha = -(u32(r_int[k] + total) // beta) if beta != 0 else 0
        for i in range(k):
            z_int[i] = y_int[i] + alpha * y_int[k - i - 1]
        for i in range(k):
            y_int[i] = z_int[i]
        y_int[k] = alpha


@gm.kernel
def gemm(alpha_int: u32[1], beta_int: u32[1], C_int: u32[N, N], A_int: u32[N, N], B_int: u32[N, N]):
    A, B, C = (gm.empty((N, N), u32) for _ in range(3))
    alpha, beta = alpha_int[0], beta_int[0]
    for i, j in gm.grid(N, N):
        A[i, j], B[i, j], C[i, j] = A_int[i, j], B_int[i, j], C_int[i, j]
    for i in range(N):
        for j in range(N):
            C[i, j] = C[i, j] * beta
        for j, k in gm.grid(N, N):
            C[i, j] += alpha * A[i, k] * B[k, j]
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
    for i, j in gm.grid(N, N):
        A[i, j] = A[i, j] + u1[i] * v1[j] + u2[i] * v2[j]
    for i, j in gm.grid(N, N):
        x[i] += beta * A[j, i] * y[j]
    for i in range(N):
        x[i] = x[i] + z[i]
    for i, j in gm.grid(N, N):
        w[i] += alpha * A[i, j] * x[j]
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
    for i in range(N):
        tmp[i] = 0
        y[i] = 0
        for j in range(N):
            tmp[i] += A[i, j] * x[j]
            y[i] += B[i, j] * x[j]
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
        for i in range(N):
            norm += A[i, k] * A[i, k]
        R[k, k] = isqrt(norm)
        gm.assume(R[k, k] != 0)
        for i in range(N):
            Q[i, k] = A[i, k] // R[k, k]
        for j in range(k + 1, W):
            R[k, j] = 0
            for i in range(N):
                R[k, j] += Q[i, k] * A[i, j]
            for i in range(N):
                A[i, j] = A[i, j] - Q[i, k] * R[k, j]
    for i, j in gm.grid(W, W):
        R_int[i, j] = R[i, j]
    for i, j in gm.grid(N, W):
        A_int[i, j], Q_int[i, j] = A[i, j], Q[i, j]


@gm.kernel
def lu(A_int: u32[N, N]):
    for i in range(N):
        for j in range(i):
            for k in range(j):
                A_int[i, j] = A_int[i, j] - A_int[i, k] * A_int[k, j]
            gm.assume(A_int[j, j] != 0)
            A_int[i, j] = A_int[i, j] // A_int[j, j]
        for j in range(i, N):
            for k in range(i):
                A_int[i, j] = A_int[i, j] - A_int[i, k] * A_int[k, j]


@gm.kernel
def ludcmp(A_int: u32[N, N], b_int: u32[N], x_int: u32[N], y_int: u32[N]):
    for i in range(N):
        for j in range(i):
            w: u32 = A_int[i, j]
            for k in range(j):
                w = w - A_int[i, k] * A_int[k, j]
            if A_int[j, j] != 0:
                A_int[i, j] = w // A_int[j, j]
        for j in range(i, N):
            w: u32 = A_int[i, j]
            for k in range(i):
                w = w - A_int[i, k] * A_int[k, j]
            A_int[i, j] = w
    for i in range(N):
        w: u32 = b_int[i]
        for j in range(i):
            w = w - A_int[i, j] * y_int[j]
        y_int[i] = w
    for back in range(N):
        i = N - 1 - back
        w: u32 = y_int[i]
        for j in range(i + 1, N):
            w = w - A_int[i, j] * x_int[j]
        if A_int[i, i] != 0:
            x_int[i] = w // A_int[i, i]


@gm.kernel
def mvt(x1_int: u32[N], x2_int: u32[N], y1_int: u32[N], y2_int: u32[N], A_int: u32[N, N]):
    A = gm.empty((N, N), u32)
    x1, x2, y1, y2 = (gm.empty((N,), u32) for _ in range(4))
    for i in range(N):
        y1[i], y2[i], x1[i], x2[i] = y1_int[i], y2_int[i], x1_int[i], x2_int[i]
    for i, j in gm.grid(N, N):
        A[i, j] = A_int[i, j]
    for i, j in gm.grid(N, N):
        x1[i] += A[i, j] * y1[j]
    for i, j in gm.grid(N, N):
        x2[i] += A[j, i] * y2[j]
    for i in range(N):
        x1_int[i], x2_int[i] = x1[i], x2[i]


@gm.kernel
def symm(alpha_int: u32[1], beta_int: u32[1], C_int: u32[N, W], A_int: u32[N, N], B_int: u32[N, W]):
    for i, j in gm.grid(N, W):
        total: u32 = 0
        for k in range(i):
            C_int[k, j] = alpha_int[0] * B_int[i, j] * A_int[i, k] + C_int[k, j]
            total = total + B_int[k, j] * A_int[i, k]
        C_int[i, j] = beta_int[0] * C_int[i, j] + alpha_int[0] * B_int[i, j] * A_int[i, i] + alpha_int[0] * total


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
            for k in range(N):
                C_int[i, j] += A[j, k] * alpha * B[i, k] + B[j, k] * alpha * A[i, k]
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
            for k in range(N):
                C[i, j] += alpha_int[0] * A[i, k] * A[j, k]
    for i, j in gm.grid(W, N):
        A_int[i, j] = A[i, j]


@gm.kernel
def trisolv(L_int: u32[N, N], x_int: u32[N], b_int: u32[N]):
    for i in range(N):
        x_int[i] = b_int[i]
        for j in range(i):
            x_int[i] = L_int[i, j] * x_int[j]  # as published: the last product alone stays
        gm.assume(L_int[i, i] != 0)
        x_int[i] = x_int[i] // L_int[i, i]


@gm.kernel
def trmm(alpha_int: u32[1], A_int: u32[N, N], B_int: u32[N, W]):
    for i, j in gm.grid(N, W):
        for k in range(i + 1, N):
            B_int[i, j] = A_int[k, i] * B_int[k, j] + B_int[i, j]
        B_int[i, j] = alpha_int[0] * B_int[i, j]
