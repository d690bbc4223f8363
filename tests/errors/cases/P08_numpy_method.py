"""A NumPy method that tensors don't have."""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def flat(a: f32[M, N]) -> f32[4]:
    return a.reshape(4)


flat(np.ones((2, 2), np.float32))
