"""A loop whose number of iterations nobody knows, unrolled."""

import gemel as gm
from gemel import i32


@gm.kernel
def head(x: i32[8], n: i32) -> i32:
    total: i32 = 0
    for i in range(min(n, 8)):
        total += x[i]
    return total


head.schedule().unroll("i").kernel.synth()
