"""A tensor chosen by a condition.

- low if x < 0 else high
+ gm.where(x < 0, low, high)
"""

import numpy as np
import gemel as gm
from gemel import i32

low, high = np.arange(4, dtype=np.int32), np.arange(4, 8, dtype=np.int32)


@gm.kernel
def pick(x: i32, at: i32) -> i32:
    table = low if x < 0 else high
    return table[at]


pick(1, 2)
