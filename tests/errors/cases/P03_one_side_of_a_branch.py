"""A variable set on one side of a branch only."""

import gemel as gm
from gemel import i32


@gm.kernel
def sign(x: i32) -> i32:
    if x > 0:
        s = 1
    elif x < 0:
        s = -1
    return s


sign(0)
