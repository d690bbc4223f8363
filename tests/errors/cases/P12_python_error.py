"""A Python error in what runs while tracing."""

import gemel as gm
from gemel import i32

tiles = 0


@gm.kernel
def tiled(x: i32) -> i32:
    return x + 16 // tiles


tiled(1)
