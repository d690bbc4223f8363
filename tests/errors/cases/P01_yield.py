"""A generator as a kernel."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def each(a: i32[N]):
    for i in range(N):
        yield a[i]


each(np.ones(4, np.int32))
