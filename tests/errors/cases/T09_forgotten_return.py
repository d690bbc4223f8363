"""No return where the annotation says a tensor."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def doubled(a: i32[N]) -> i32[N]:
    out = gm.empty((N,), i32)
    for i in range(N):
        out[i] = a[i] + a[i]


doubled(np.ones(4, np.int32))
