"""An exception caught in a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
def safe(a: i32, b: i32) -> i32:
    try:
        return a // b
    except ZeroDivisionError:
        return 0


safe(1, 0)
