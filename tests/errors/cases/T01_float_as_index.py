"""A float as an index.

- a[at]
+ a[gm.cast(at, i32)]
"""

import numpy as np
import gemel as gm
from gemel import f32, i32

N = gm.dims("N")


@gm.kernel
def pick(a: i32[N], at: f32) -> i32:
    return a[at]


pick(np.arange(4, dtype=np.int32), 1.0)
