"""A kernel tuned whose default schedule may not round otherwise.

- @gm.kernel(fp="strict")
+ @gm.kernel
"""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel(fp="strict")
def total(x: f32[N]) -> f32:
    return gm.sum(x)


gm.tune(total.specialize(N=1000), trials=0)
