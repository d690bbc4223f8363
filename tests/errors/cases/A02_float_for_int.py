"""A fraction for an integer parameter.

- np.int32), 0.5
+ np.int32), int(0.5)
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def add(a: i32[N], by: i32):
    for i in range(N):
        a[i] += by


add(np.ones(4, np.int32), 0.5)
