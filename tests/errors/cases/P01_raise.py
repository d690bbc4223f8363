"""An exception raised in a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
def checked(x: i32) -> i32:
    if x < 0:
        raise ValueError("x is negative")
    return x


checked(-1)
