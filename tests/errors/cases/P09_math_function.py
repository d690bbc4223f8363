"""A function of `math` on a traced value.

- math.exp(x)
+ gm.exp(x)
"""

import math

import gemel as gm
from gemel import f32


@gm.kernel
def power(x: f32) -> f32:
    return math.exp(x)


power(2.0)
