"""A string as an element type.

- "f32"
+ f32
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def zero(a: f32[N]) -> f32[N]:
    return gm.zeros((N,), "f32")


zero(np.ones(4, np.float32))
