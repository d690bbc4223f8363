"""A result that a kernel's `ensures` excludes."""

import gemel as gm
from gemel import i8


@gm.kernel
def absolute(x: i8) -> i8:
    y: i8 = -x if x < 0 else x
    gm.ensures(y >= 0)
    return y


absolute(-128)
