"""A name deleted in a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
def tidy(x: i32) -> i32:
    y = x
    del y
    return x


tidy(1)
