"""A matrix returned where the annotation says a vector.

- -> f32[M]
+ -> f32[M, N]
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def double(a: f32[M, N]) -> f32[M]:
    return a * 2.0


double(np.ones((2, 2), np.float32))
