"""Code for another machine, called here.

- axpy.compile("aarch64", N=8)(x, x)
+ axpy.compile(N=8)(x, x.copy())
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def axpy(x: f32[N], y: f32[N]):
    for i in range(N):
        y[i] += 2.0 * x[i]


x = np.ones(8, np.float32)
axpy.compile("aarch64", N=8)(x, x)
