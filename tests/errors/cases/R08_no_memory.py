"""A local array larger than memory."""

import gemel as gm
from gemel import i32, i64


@gm.kernel
def huge(x: i32, n: i32) -> i32:
    a = gm.zeros((1 << 20, 1 << 20, 1 << 4), i64)
    a[x, x, 0] = 1
    return a[n, n, 0]


huge(1, 2)
