"""An integer times a float literal.

- x * 0.5
+ gm.cast(gm.cast(x, gm.f32) * 0.5, i32)
"""

import gemel as gm
from gemel import i32


@gm.kernel
def half(x: i32) -> i32:
    return x * 0.5


half(3)
