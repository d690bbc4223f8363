"""`==` where `=` was meant.

- y == 0
+ y = 0
"""

import gemel as gm
from gemel import i32


@gm.kernel
def reset(x: i32) -> i32:
    y: i32 = x
    if x < 0:
        y == 0
    return y


reset(-1)
