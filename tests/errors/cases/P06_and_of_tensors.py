"""`and` between tensors.

- a > 0 and a < 10
+ (a > 0) & (a < 10)
"""

import numpy as np
import gemel as gm
from gemel import bool_, i32

N = gm.dims("N")


@gm.kernel
def inside(a: i32[N]) -> bool_[N]:
    return a > 0 and a < 10


inside(np.ones(4, np.int32))
