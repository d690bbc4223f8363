"""A clock that is too fast.

- clock_mhz=2000
+ clock_mhz=100
"""

import gemel as gm
from gemel import i64


@gm.kernel
def multiply(a: i64, b: i64) -> i64:
    return a * b


multiply.synth(target="ecp5", clock_mhz=2000)
