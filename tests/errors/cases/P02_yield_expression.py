"""`yield` inside an expression."""

import gemel as gm
from gemel import i32


@gm.kernel
def later(x: i32) -> i32:
    y = yield x
    return y


later(1)
