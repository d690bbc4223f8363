"""An index of -1 that is computed."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def pick(a: i32[N], at: i32) -> i32:
    return a[at]


pick(np.arange(4, dtype=np.int32), -1)
