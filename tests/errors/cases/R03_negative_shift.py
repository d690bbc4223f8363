"""A shift by a negative amount."""

import gemel as gm
from gemel import i32


@gm.kernel
def shift(x: i32, by: i32) -> i32:
    return x >> by


shift(8, -1)
