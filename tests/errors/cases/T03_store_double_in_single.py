"""Double precision stored in a single-precision array.

- = x[i]
+ = gm.cast(x[i], f32)
"""

import numpy as np
import gemel as gm
from gemel import f32, f64

N = gm.dims("N")


@gm.kernel
def shorten(x: f64[N], out: f32[N]):
    for i in range(N):
        out[i] = x[i]


shorten(np.ones(4), np.ones(4, np.float32))
