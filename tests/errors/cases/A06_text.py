"""Text as a number."""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


double("2")
