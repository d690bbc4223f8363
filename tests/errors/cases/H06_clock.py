"""A clock of 0 MHz."""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


double.synth(clock_mhz=0)
