"""A range with step 0."""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def zero(a: f32[N]):
    for i in range(0, N, 0):
        a[i] = 0.0


zero(np.ones(4, np.float32))
