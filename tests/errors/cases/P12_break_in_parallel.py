"""`break` in a parallel loop.

- gm.parallel(range(N))
+ range(N)
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def find(a: i32[N], out: i32[1]):
    for i in gm.parallel(range(N)):
        if a[i] == 0:
            out[0] = i
            break


find(np.ones(4, np.int32), np.zeros(1, np.int32))
