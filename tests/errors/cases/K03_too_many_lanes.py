"""A vector loop of a thousand lanes.

- gemm.schedule(M=64, N=1000, K=64).vectorize("j_1")
+ gemm.schedule(M=64, N=1000, K=64).split("j_1", 16).vectorize("j_1_i")
"""

import gemel as gm
from gemel import f32

M, N, K = gm.dims("M N K")


@gm.kernel
def gemm(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    C = gm.zeros((M, N), f32)
    for i, j, k in gm.grid(M, N, K):
        C[i, j] += A[i, k] * B[k, j]
    return C


gemm.schedule(M=64, N=1000, K=64).vectorize("j_1")
