"""A variable of a loop used after it."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def last(a: i32[N]) -> i32:
    for i in range(N):
        value = a[i]
    return value


last(np.ones(4, np.int32))
