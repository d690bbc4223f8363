"""An index one past the end."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def difference(a: i32[N], out: i32[N]):
    for i in range(N):
        out[i] = a[i + 1] - a[i]


difference(np.arange(4, dtype=np.int32), np.zeros(4, np.int32))
