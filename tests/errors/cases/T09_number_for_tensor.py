"""A number returned where the annotation says a tensor.

- -> f32[N]
+ -> f32
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def total(a: f32[N]) -> f32[N]:
    return gm.sum(a)


total(np.ones(4, np.float32))
