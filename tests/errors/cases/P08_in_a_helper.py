"""A misspelt name in a helper function."""

import gemel as gm
from gemel import f32


def blend(a, b, t):
    return a + (b - a) * tt


@gm.kernel
def middle(a: f32, b: f32) -> f32:
    return blend(a, b, 0.5)


middle(1.0, 2.0)
