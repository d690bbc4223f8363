"""`//` between floats.

- x // step
+ gm.floor(x / step)
"""

import gemel as gm
from gemel import f32


@gm.kernel
def tiles(x: f32, step: f32) -> f32:
    return x // step


tiles(7.0, 2.0)
