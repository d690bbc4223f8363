"""Iterations of a parallel loop that write to one place."""

import numpy as np
import gemel as gm
from gemel import i32, u8

N = gm.dims("N")


@gm.kernel
def histogram(a: u8[N], bins: i32[256]):
    for i in gm.parallel(range(N)):
        bins[a[i]] = bins[a[i]] + 1


histogram.interpret(np.zeros(4, np.uint8), np.zeros(256, np.int32))
