"""A return in one branch only."""

import gemel as gm
from gemel import f32


@gm.kernel
def relu(x: f32) -> f32:
    if x > 0.0:
        return x


relu(-1.0)
