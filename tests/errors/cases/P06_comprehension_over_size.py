"""A list as long as a size that isn't known."""

import numpy as np
import gemel as gm
from gemel import i32, i64

N = gm.dims("N")


@gm.kernel
def squares(a: i32[N]) -> i64:
    return sum([a[i] * a[i] for i in range(N)])


squares(np.ones(4, np.int32))
