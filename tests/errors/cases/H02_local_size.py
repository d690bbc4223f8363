"""Hardware with an array of a size that is computed.

- gm.zeros((n,), i32)
+ gm.zeros((8,), i32)
"""

import gemel as gm
from gemel import i32


@gm.kernel
def reverse(a: i32[8], n: i32) -> i32:
    tmp = gm.zeros((n,), i32)
    for i in range(n):
        tmp[i] = a[i]
    return tmp[0]


reverse.synth()
