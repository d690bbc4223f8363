"""A number that the parameter's type can't hold."""

import numpy as np
import gemel as gm
from gemel import u8

N = gm.dims("N")


@gm.kernel
def fill(a: u8[N], value: u8):
    for i in range(N):
        a[i] = value


fill(np.zeros(4, np.uint8), 300)
