"""Output and input that overlap.

- x[:-1], x[1:]
+ x[:-1].copy(), x[1:]
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def shift(a: f32[N], out: f32[N]):
    for i in range(N):
        out[i] = a[i]


x = np.arange(9, dtype=np.float32)
shift(x[:-1], x[1:])
