"""A Python list as an array.

- [1.0, 2.0]
+ np.array([1.0, 2.0], dtype=np.float32)
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def total(a: f32[N]) -> f32:
    return gm.sum(a)


total([1.0, 2.0])
