"""A misspelt function of gm.

- gm.zeroes
+ gm.zeros
"""

import gemel as gm
from gemel import f32


@gm.kernel
def make(x: f32) -> f32[4]:
    return gm.zeroes((4,), f32)


make(1.0)
