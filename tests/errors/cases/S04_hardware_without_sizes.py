"""Hardware of a kernel whose sizes aren't given.

- double.synth()
+ double.synth(N=16)
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def double(x: i32[N]) -> i32[N]:
    y = gm.zeros((N,), i32)
    for i in range(N):
        y[i] = gm.cast(x[i] * 2, i32)
    return y


double.synth()
