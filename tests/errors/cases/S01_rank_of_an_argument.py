"""A vector passed as a matrix."""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def transpose(a: f32[M, N]) -> f32[N, M]:
    return a.T


transpose(np.ones(4, np.float32))
