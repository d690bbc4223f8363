"""An integer on one side of a branch, a float on the other."""

import gemel as gm
from gemel import f32, i32


@gm.kernel
def step(n: i32, x: f32) -> f32:
    if n > 0:
        y = x
    else:
        y = n
    return y


step(1, 2.0)
