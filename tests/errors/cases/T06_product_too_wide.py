"""A product of many integers, wider than any type.

- x * a[n]
+ gm.cast(x, i64) * a[n]
"""

import numpy as np
import gemel as gm
from gemel import i64

N = gm.dims("N")


@gm.kernel
def product(a: i64[N]) -> i64:
    x = a[0]
    for n in gm.unroll(range(1, 300)):
        x = x * a[n]
    return x


product(np.ones(300, np.int64))
