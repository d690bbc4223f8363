"""Kernels that several tests of proofs have."""

from __future__ import annotations

import gemel as gm
from gemel import i32, u8

M, N, K = gm.dims("M N K")


@gm.kernel
def matmul(A: i32[M, K], B: i32[K, N]) -> i32[M, N]:
    C = gm.zeros((M, N), i32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


@gm.kernel
def histogram(A: i32[16], J: u8[16]) -> i32[16]:
    T = gm.zeros((16,), i32)
    for i in range(16):
        T[gm.bits(J[i], 3, 0)] += A[i]
    return T
