"""A transposed array.

- np.ones((2, 3), np.float32).T
+ np.ascontiguousarray(np.ones((2, 3), np.float32).T)
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def total(a: f32[M, N]) -> f32:
    return gm.sum(a)


total(np.ones((2, 3), np.float32).T)
