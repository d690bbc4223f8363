"""A `while` that tracing can't leave."""

import gemel as gm
from gemel import i32


@gm.kernel
def forever(x: i32) -> i32:
    n = 1
    while n > 0:
        n += 1
    return x


forever(1)
