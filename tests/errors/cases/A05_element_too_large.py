"""An element outside of a 4-bit type.

- np.array([1, 15, 16], np.uint8)
+ np.clip(np.array([1, 15, 16], np.uint8), 0, 15)
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: gm.UInt(4)[N]) -> i32:
    return gm.sum(a)


total(np.array([1, 15, 16], np.uint8))
