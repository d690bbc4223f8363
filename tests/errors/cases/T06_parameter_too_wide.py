"""A parameter of 65 bits."""

import gemel as gm
from gemel import i32


@gm.kernel
def low(x: gm.Int(65)) -> i32:
    return x & 1


low(1)
