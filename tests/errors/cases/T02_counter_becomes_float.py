"""An integer variable that is given a float in a loop.

- acc = 0
+ acc: f32 = 0
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def mean(x: f32[N]) -> f32:
    acc = 0
    for i in range(N):
        acc = acc + x[i]
    return acc


mean(np.ones(4, np.float32))
