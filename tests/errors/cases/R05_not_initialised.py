"""An element read before it is stored.

- gm.empty
+ gm.zeros
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def prefix(a: i32[N]) -> i32[N]:
    out = gm.empty((N,), i32)
    for i in range(1, N):
        out[i] = a[i] + out[i - 1]
    return out


prefix.interpret(np.ones(4, np.int32))
