"""Kernels whose arguments stay in their own memories: what Bambu was measured on, products, a filter, a convolution."""

from __future__ import annotations

import gemel as gm
from gemel import f32, i32

M, N, K, T = gm.dims("M N K T")


@gm.kernel
def dot(x: i32[N], y: i32[N]) -> i32:
    total: i32 = 0
    for i in range(N):
        total += x[i] * y[i]
    return total


@gm.kernel
def product(A: i32[M, K], B: i32[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def outer(A: i32[M, K], B: i32[K, N]) -> i32[M, N]:
    """A product in the order of a systolic array: each step meets all results."""
    C = gm.zeros((M, N), i32)
    for k, i, j in gm.grid(K, M, N):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def gemm(alpha: i32, beta: i32, C: i32[M, N], A: i32[M, K], B: i32[K, N]):
    for i in range(M):
        for j in range(N):
            C[i, j] = beta * C[i, j]
        for k, j in gm.grid(K, N):
            C[i, j] += alpha * A[i, k] * B[k, j]


@gm.kernel
def atax(A: i32[M, N], x: i32[N], y: i32[N], tmp: i32[M]):
    for j in range(N):
        y[j] = 0
    for i in range(M):
        tmp[i] = 0
        for j in range(N):
            tmp[i] += A[i, j] * x[j]
        for j in range(N):
            y[j] += A[i, j] * tmp[i]


@gm.kernel
def bicg(A: i32[M, N], s: i32[N], q: i32[M], p: i32[N], r: i32[M]):
    for j in range(N):
        s[j] = 0
    for i in range(M):
        q[i] = 0
        for j in range(N):
            s[j] += r[i] * A[i, j]
            q[i] += A[i, j] * p[j]


@gm.kernel
def mvt(x1: i32[N], x2: i32[N], y1: i32[N], y2: i32[N], A: i32[N, N]):
    for i, j in gm.grid(N, N):
        x1[i] += A[i, j] * y1[j]
    for i, j in gm.grid(N, N):
        x2[i] += A[j, i] * y2[j]


@gm.kernel
def gesummv(alpha: i32, beta: i32, A: i32[N, N], B: i32[N, N], x: i32[N], y: i32[N], tmp: i32[N]):
    for i in range(N):
        tmp[i] = 0
        y[i] = 0
        for j in range(N):
            tmp[i] += A[i, j] * x[j]
            y[i] += B[i, j] * x[j]
        y[i] = alpha * tmp[i] + beta * y[i]


@gm.kernel
def syrk(alpha: i32, beta: i32, C: i32[M, M], A: i32[M, N]):
    for i in range(M):
        for j in range(i + 1):
            C[i, j] *= beta
        for k in range(N):
            for j in range(i + 1):
                C[i, j] += alpha * A[i, k] * A[j, k]


@gm.kernel
def fir(x: i32[N], h: i32[T]) -> i32[N]:
    """Each output sums the last inputs; before the first one they are 0."""
    y = gm.zeros((N,), i32)
    for i in range(N):
        for t in range(T):
            y[i] += h[t] * (x[i - t] if t <= i else 0)
    return y


@gm.kernel
def conv(x: i32[M + 2, N + 2], w: i32[3, 3]) -> i32[M, N]:
    y = gm.zeros((M, N), i32)
    for i, j, di, dj in gm.grid(M, N, 3, 3):
        y[i, j] += w[di, dj] * x[i + di, j + dj]
    return y


@gm.kernel
def product_f32(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def fir_f32(x: f32[N], h: f32[T]) -> f32[N]:
    y = gm.zeros((N,), f32)
    for i in range(N):
        for t in range(T):
            y[i] += h[t] * (x[i - t] if t <= i else 0)
    return y


@gm.kernel
def conv_f32(x: f32[M + 2, N + 2], w: f32[3, 3]) -> f32[M, N]:
    y = gm.zeros((M, N), f32)
    for i, j, di, dj in gm.grid(M, N, 3, 3):
        y[i, j] += w[di, dj] * x[i + di, j + dj]
    return y


@gm.kernel
def gemm_f32(alpha: f32, beta: f32, C: f32[M, N], A: f32[M, K], B: f32[K, N]):
    for i, j in gm.grid(M, N):
        C[i, j] = beta * C[i, j]
        for k in range(K):
            C[i, j] += alpha * A[i, k] * B[k, j]
