"""The square root of an integer.

- gm.sqrt(x)
+ gm.sqrt(gm.cast(x, f32))
"""

import gemel as gm
from gemel import f32, i32


@gm.kernel
def root(x: i32) -> f32:
    return gm.sqrt(x)


root(4)
