"""A tensor given to a kernel that takes a scalar.

- return square(a)
+ return square(a[0])
"""

import numpy as np
import gemel as gm
from gemel import i16, i32

N = gm.dims("N")


@gm.kernel
def square(x: i16) -> i32:
    return x * x


@gm.kernel
def squares(a: i16[N]) -> i32:
    return square(a)


squares(np.ones(4, np.int16))
