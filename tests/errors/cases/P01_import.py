"""An import in a kernel."""

import gemel as gm
from gemel import f32


@gm.kernel
def root(x: f32) -> f32:
    import math

    return math.sqrt(x)


root(1.0)
