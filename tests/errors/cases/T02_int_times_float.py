"""An integer array times a float.

- a[i] * factor
+ gm.cast(a[i], f32) * factor
"""

import numpy as np
import gemel as gm
from gemel import f32, i32

N = gm.dims("N")


@gm.kernel
def scale(a: i32[N], factor: f32) -> f32[N]:
    out = gm.empty((N,), f32)
    for i in range(N):
        out[i] = 1.0 + a[i] * factor
    return out


scale(np.arange(4, dtype=np.int32), 0.5)
