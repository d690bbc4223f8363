"""Parentheses where brackets were meant.

- a(0)
+ a[0]
"""

import numpy as np
import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def first(a: i32[N]) -> i32:
    return a(0)


first(np.ones(4, np.int32))
