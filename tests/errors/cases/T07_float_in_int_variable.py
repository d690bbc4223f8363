"""A fraction assigned to an integer variable."""

import gemel as gm
from gemel import i32


@gm.kernel
def start(x: i32) -> i32:
    y: i32 = 0.5
    return y + x


start(1)
