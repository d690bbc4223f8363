"""Python's `int` as an annotation.

- x: int
+ x: i32
"""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: int) -> i32:
    return x + x


double(1)
