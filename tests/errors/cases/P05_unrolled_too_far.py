"""A Python loop that is unrolled too far."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    acc: i32 = 0
    for i in gm.unroll(range(1_000_000)):
        acc += a[i]
    return acc


total(np.ones(1_000_000, np.int32))
