"""`is` between numbers.

- x is y
+ x == y
"""

import gemel as gm
from gemel import bool_, i32


@gm.kernel
def same(x: i32, y: i32) -> bool_:
    return x is y


same(1, 1)
