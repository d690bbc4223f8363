"""A global changed in a kernel."""

import gemel as gm
from gemel import i32

calls = 0


@gm.kernel
def counted(x: i32) -> i32:
    global calls
    calls += 1
    return x


counted(1)
