"""A quotient of fixed point.

- a[i] / b[i]
+ gm.bitcast(gm.cast((gm.bitcast(a[i], gm.Int(32)) << 16) // gm.bitcast(b[i], gm.Int(32)), i32), Q)
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")
Q = gm.Fixed(32, 16)


@gm.kernel
def ratio(a: Q[N], b: Q[N]):
    for i in range(N):
        a[i] = a[i] / b[i]


ratio(np.full(4, 98304, np.int32), np.full(4, 32768, np.int32))
