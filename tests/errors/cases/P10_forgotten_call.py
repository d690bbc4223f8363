"""A function that isn't called.

- x + offset
+ x + offset()
"""

import gemel as gm
from gemel import i32


def offset():
    return 3


@gm.kernel
def shifted(x: i32) -> i32:
    return x + offset


shifted(1)
