"""Python's `sorted` on traced values."""

import gemel as gm
from gemel import i32


@gm.kernel
def median(a: i32, b: i32, c: i32) -> i32:
    return sorted([a, b, c])[1]


median(3, 1, 2)
