"""A division by zero."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def ratio(a: i32[N], b: i32[N], out: i32[N]):
    for i in range(N):
        out[i] = a[i] // b[i]


ratio(np.ones(2, np.int32), np.array([1, 0], np.int32), np.zeros(2, np.int32))
