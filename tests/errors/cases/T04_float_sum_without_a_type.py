"""A float sum that starts as a plain 0.0.

- acc = 0.0
+ acc: f32 = 0.0
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def total(x: f32[N]) -> f32:
    acc = 0.0
    for i in range(N):
        acc += x[i]
    return acc


total(np.ones(4, np.float32))
