"""A size that no parameter has.

- ramp(1.0)
+ ramp.specialize(N=8)(1.0)
"""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def ramp(x: f32) -> f32[N]:
    out = gm.empty((N,), f32)
    for i in range(N):
        out[i] = x
    return out


ramp(1.0)
