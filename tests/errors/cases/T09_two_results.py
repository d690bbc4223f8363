"""Two results where the annotation says one."""

import gemel as gm
from gemel import i32


@gm.kernel
def divide(a: i32, b: i32) -> i32:
    return a // b, a % b


divide(7, 2)
