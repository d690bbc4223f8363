"""A constant that the kernel stores to."""

import numpy as np

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def add_to(total: i32[N], x: i32[N]):
    for i in range(N):
        total[i] += x[i]


add_to.specialize(total=np.zeros(4, np.int32))
