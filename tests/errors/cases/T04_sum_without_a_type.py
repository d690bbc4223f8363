"""A sum whose type would grow in the loop.

- acc = a[0]
+ acc: i32 = a[0]
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    acc = a[0]
    for i in range(1, N):
        acc = acc + a[i]
    return acc


total(np.ones(4, np.int32))
