"""A size that can't be found from the arguments.

- blocks(np
+ blocks.specialize(M=2)(np
"""

import numpy as np
import gemel as gm
from gemel import f32

M, N = gm.dims("M N")


@gm.kernel
def blocks(a: f32[M * N]) -> f32:
    return gm.sum(a)


blocks(np.ones(6, np.float32))
