"""An argument that a kernel's `requires` excludes."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def mean(a: i32[N]) -> i32:
    gm.requires(N > 0)
    return gm.sum(a) // N


mean(np.ones(0, np.int32))
