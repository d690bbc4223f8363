"""A text with a step that there is not.

- gemm.schedule(M=64, N=64, K=64).replay("melt('i_1', 8)")
+ gemm.schedule(M=64, N=64, K=64).replay("split('i_1', 8)")
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


gemm.schedule(M=64, N=64, K=64).replay("melt('i_1', 8)")
