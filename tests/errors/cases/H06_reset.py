"""A style of reset that there isn't."""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


double.synth(reset="negative")
