"""A float stored in an integer array.

- = x[i]
+ = gm.cast(x[i], i32)
"""

import numpy as np
import gemel as gm
from gemel import f32, i32

N = gm.dims("N")


@gm.kernel
def rounded(x: f32[N], out: i32[N]):
    for i in range(N):
        out[i] = x[i]


rounded(np.ones(4, np.float32), np.zeros(4, np.int32))
