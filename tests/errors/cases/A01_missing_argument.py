"""An argument too few.

- np.float32))
+ np.float32), factor=2.0)
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def scale(a: f32[N], factor: f32):
    for i in range(N):
        a[i] = a[i] * factor


scale(np.ones(4, np.float32))
