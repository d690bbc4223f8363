"""A `while` on a tensor."""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def settle(a: f32[N]):
    while a > 1.0:
        a *= 0.5


settle(np.ones(4, np.float32))
