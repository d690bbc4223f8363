"""Two names for a loop over three sizes.

- for i, j in
+ for i, j, k in
"""

import numpy as np
import gemel as gm
from gemel import f32

M, K, N = gm.dims("M K N")


@gm.kernel
def zero(a: f32[M, N, K]):
    for i, j in gm.grid(M, N, K):
        a[i, j, 0] = 0.0


zero(np.ones((2, 2, 2), np.float32))
