"""A loop step that is 0 when the kernel runs."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def every(a: i32[N], step: i32):
    for i in range(0, N, step):
        a[i] = 0


every(np.ones(4, np.int32), 0)
