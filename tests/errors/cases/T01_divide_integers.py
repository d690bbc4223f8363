"""`/` between integers.

- a[i] / 2
+ a[i] // 2
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def halve(a: i32[N]):
    for i in range(N):
        a[i] = a[i] / 2


halve(np.arange(4, dtype=np.int32))
