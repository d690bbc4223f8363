"""The sum of a scalar."""

import gemel as gm
from gemel import f32


@gm.kernel
def norm(x: f32) -> f32:
    return gm.sum(x * x)


norm(1.0)
