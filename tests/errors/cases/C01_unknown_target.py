"""A target that isn't known.

- print(len(axpy.compile("arm-cortex", N=8).asm) > 0)
+ print(len(axpy.compile("aarch64", N=8).asm) > 0)
"""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def axpy(x: f32[N], y: f32[N]):
    for i in range(N):
        y[i] += 2.0 * x[i]


print(len(axpy.compile("arm-cortex", N=8).asm) > 0)
