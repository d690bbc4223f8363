"""A read-only array as an output.

- clear(frozen)
+ clear(frozen.copy())
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def clear(a: f32[N]):
    for i in range(N):
        a[i] = 0.0


clear(np.broadcast_to(np.float32(1), 4).copy()[:].view())
frozen = np.ones(4, np.float32)
frozen.setflags(write=False)
clear(frozen)
