"""Known sizes that don't fit in `@`."""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def matmul(A: f32[2, 3], B: f32[4, 2]) -> f32[2, 2]:
    return A @ B


matmul(np.ones((2, 3), np.float32), np.ones((4, 2), np.float32))
