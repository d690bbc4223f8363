"""A scalar with an index."""

import gemel as gm
from gemel import i32


@gm.kernel
def first(x: i32) -> i32:
    return x[0]


first(1)
