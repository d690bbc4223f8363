"""A Python list indexed by a traced value.

- weights[at]
+ gm.array(weights, i32)[at]
"""

import gemel as gm
from gemel import i32

weights = [1, 4, 6, 4, 1]


@gm.kernel
def weight(at: i32) -> i32:
    return weights[at]


weight(2)
