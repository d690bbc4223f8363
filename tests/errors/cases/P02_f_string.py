"""A traced value in an f-string."""

import gemel as gm
from gemel import i32


@gm.kernel
def checked(x: i32) -> i32:
    assert x > 0, f"x is {x}"
    return x


checked(-1)
