"""A kernel without `@gm.kernel`.

- def total
+ @gm.kernel
+ def total
"""

import numpy as np
import gemel as gm
from gemel import f32, i32

N = gm.dims("N")


def total(a: i32[N]) -> i32:
    acc: i32 = 0
    for i in gm.grid(N):
        acc += a[i]
    return acc


total(np.ones(4, np.int32))
