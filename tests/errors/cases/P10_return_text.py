"""A string returned."""

import gemel as gm
from gemel import i32


@gm.kernel
def name(x: i32):
    return "positive"


name(1)
