"""Three indices into a matrix.

- a[0, 0, 0]
+ a[0, 0]
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def corner(a: f32[M, N]) -> f32:
    return a[0, 0, 0]


corner(np.ones((2, 2), np.float32))
