"""A helper called with too few arguments."""

import gemel as gm
from gemel import f32


def lerp(a, b, t):
    return a + (b - a) * t


@gm.kernel
def middle(a: f32, b: f32) -> f32:
    return lerp(a, b)


middle(1.0, 2.0)
