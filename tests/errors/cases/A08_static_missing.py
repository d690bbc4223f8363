"""A static argument that is missing.

- shift.synth()
+ shift.specialize(n=2).synth()
"""

import gemel as gm
from gemel import i32, i64


@gm.kernel
def shift(x: i32, n: gm.static[int]) -> i64:
    return x << n


shift.synth()
