"""A constant that the element type can't hold.

- = 256
+ = gm.cast(256, u8)
"""

import numpy as np
import gemel as gm
from gemel import u8

N = gm.dims("N")


@gm.kernel
def fill(a: u8[N]):
    for i in range(N):
        a[i] = 256


fill(np.zeros(4, np.uint8))
