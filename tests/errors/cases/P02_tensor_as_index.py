"""A tensor as an index."""

import numpy as np
import gemel as gm
from gemel import f32, i32

M, N = gm.dims("M N")


@gm.kernel
def gather(a: f32[M], at: i32[N]) -> f32[N]:
    return a[at]


gather(np.ones(4, np.float32), np.zeros(2, np.int32))
