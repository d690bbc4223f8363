"""Single with double precision.

- a * x[i]
+ gm.cast(a, f32) * x[i]
"""

import numpy as np
import gemel as gm
from gemel import f32, f64

N = gm.dims("N")


@gm.kernel
def axpy(a: f64, x: f32[N], y: f32[N]):
    for i in range(N):
        y[i] = a * x[i] + y[i]


axpy(2.0, np.ones(4, np.float32), np.ones(4, np.float32))
