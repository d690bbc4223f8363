"""A tensor stored in one element.

- = a[0]
+ = a[0, j]
"""

import numpy as np
import gemel as gm
from gemel import i32

M, N = gm.dims("M N")


@gm.kernel
def copy_row(a: i32[M, N], out: i32[N]):
    for j in range(N):
        out[j] = a[0]


copy_row(np.ones((2, 3), np.int32), np.ones(3, np.int32))
