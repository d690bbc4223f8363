"""`unroll` over a size that isn't known."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    acc: i32 = 0
    for i in gm.unroll(range(N)):
        acc += a[i]
    return acc


total(np.ones(4, np.int32))
