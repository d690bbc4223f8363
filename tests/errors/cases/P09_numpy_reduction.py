"""A NumPy reduction of a tensor."""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def norm(a: f32[N]) -> f32:
    return np.linalg.norm(a)


norm(np.ones(4, np.float32))
