"""`else` after a loop."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def find(a: i32[N], wanted: i32) -> i32:
    at: i32 = 0
    for i in range(N):
        if a[i] == wanted:
            at = i
            break
    else:
        at = -1
    return at


find(np.ones(4, np.int32), 2)
