"""A tensor as a condition."""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def any_positive(a: i32[N]) -> i32:
    if a > 0:
        return 1
    return 0


any_positive(np.ones(4, np.int32))
