"""A list that grows in a loop of the kernel."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def positives(a: i32[N]) -> i32:
    found = []
    for i in range(N):
        if a[i] > 0:
            found.append(a[i])
    return found[0]


positives(np.ones(4, np.int32))
