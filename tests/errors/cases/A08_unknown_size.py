"""A size that the kernel doesn't have.

- n=4
+ N=4
"""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def total(a: f32[N]) -> f32:
    return gm.sum(a)


total.specialize(n=4)
