"""A sum over an axis that a matrix doesn't have.

- axis=2
+ axis=1
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def row_sums(a: f32[M, N]) -> f32[M]:
    return gm.sum(a, axis=2)


row_sums(np.ones((2, 2), np.float32))
