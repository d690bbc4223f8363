"""Kernels whose verification the tests look at: for all sizes, with loops, data-dependent indices and invariants."""

from __future__ import annotations

import gemel as gm
from gemel import f32, f64, i32, index

B, H, K, L, M, N, NNZ, P = gm.dims("B H K L M N NNZ P")


@gm.kernel
def gemm(A: f64[M, K], B: f64[K, N]) -> f64[M, N]:
    C = gm.zeros((M, N), f64)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def conv2d(image: f32[H + K - 1, L + K - 1], weights: f32[K, K]) -> f32[H, L]:
    out = gm.zeros((H, L), f32)
    for y, x in gm.grid(H, L):
        for dy, dx in gm.grid(K, K):
            out[y, x] += image[y + dy, x + dx] * weights[dy, dx]
    return out


@gm.kernel
def spmv(start: i32[N + 1], column: i32[NNZ], value: f64[NNZ], x: f64[M]) -> f64[N]:
    gm.requires(start[0] == 0 and start[N] == NNZ)
    gm.requires(all(start[i] <= start[i + 1] for i in range(N)))
    gm.requires(all(0 <= column[k] < M for k in range(NNZ)))
    y = gm.zeros((N,), f64)
    for i in range(N):
        for k in range(start[i], start[i + 1]):
            y[i] += value[k] * x[column[k]]
    return y


@gm.kernel
def search(a: i32[N], wanted: i32) -> index:
    lo = 0
    hi = N
    while lo < hi:
        middle = (lo + hi) // 2
        if a[middle] < wanted:
            lo = middle + 1
        else:
            hi = middle
    return lo


@gm.kernel
def partition(a: i32[N]) -> index:
    gm.requires(N > 0)
    pivot = a[N - 1]
    at = 0
    for i in range(N - 1):
        if a[i] < pivot:
            t = a[i]
            a[i] = a[at]
            a[at] = t
            at += 1
    t = a[at]
    a[at] = a[N - 1]
    a[N - 1] = t
    return at


@gm.kernel
def hoare(a: i32[N]) -> index:
    """In place: what is less than the pivot goes left; two pointers meet."""
    gm.requires(N > 0)
    pivot = a[(N - 1) // 2]
    i = 0
    j = N - 1
    while i <= j:
        while i < N and a[i] < pivot:
            i += 1
        while j >= 0 and a[j] > pivot:
            j -= 1
        if i <= j:
            t = a[i]
            a[i] = a[j]
            a[j] = t
            i += 1
            j -= 1
    return i


@gm.kernel
def fft(re: f64[N], im: f64[N], cos: f64[N], sin: f64[N]):
    """Stages of butterflies over halves of ever smaller blocks, in place; N need not be known."""
    span = N // 2
    while span > 0:
        gm.invariant(0 <= span <= N // 2)
        for block in range(0, N - 2 * span + 1, 2 * span):
            for k in range(span):
                a = block + k
                b = block + k + span
                w = k * (N // (2 * span))
                dr = re[a] - re[b]
                di = im[a] - im[b]
                re[a] += re[b]
                im[a] += im[b]
                re[b] = dr * cos[w] - di * sin[w]
                im[b] = dr * sin[w] + di * cos[w]
        span = span // 2


@gm.kernel
def cholesky(A: f64[N * B, N * B], block: gm.static[int] = 0):
    """Blocks of B columns; the factor takes the place of the lower triangle."""
    for kb in range(N):
        for j in range(kb * B, kb * B + B):
            for k in range(kb * B, j):
                A[j, j] -= A[j, k] * A[j, k]
            A[j, j] = gm.sqrt(A[j, j])
            for i in range(j + 1, N * B):
                for k in range(kb * B, j):
                    A[i, j] -= A[i, k] * A[j, k]
                A[i, j] = A[i, j] / A[j, j]
        for ib in range(kb + 1, N):
            for jb in range(kb + 1, ib + 1):
                for i, j, k in gm.grid(B, B, B):
                    A[ib * B + i, jb * B + j] -= A[ib * B + i, kb * B + k] * A[jb * B + j, kb * B + k]
