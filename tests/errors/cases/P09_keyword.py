"""A keyword that a function of gm doesn't take.

- dim=1
+ axis=1
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def total(a: f32[M, N]) -> f32[M]:
    return gm.sum(a, dim=1)


total(np.ones((2, 2), np.float32))
