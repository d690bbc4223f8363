"""A kernel with *args."""

import gemel as gm
from gemel import i32


@gm.kernel
def add(*xs: i32) -> i32:
    return xs[0]


add(1, 2)
