"""A product of matrices whose inner sizes differ."""

import numpy as np
import gemel as gm
from gemel import f32

M, K, N = gm.dims("M K N")


@gm.kernel
def matmul(A: f32[M, K], B: f32[K, N]) -> f32[M, N]:
    return A @ B


matmul(np.ones((2, 3), np.float32), np.ones((4, 2), np.float32))
