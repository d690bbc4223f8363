"""A loop that is asked to read a memory more often in a cycle than it has ports.

- differences.schedule(N=8).pipeline("i", 1).kernel.synth()
+ differences.schedule(N=8).partition("x", 0, 2).pipeline("i", 1).kernel.synth()
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def differences(x: i32[2 * N]) -> i32[N]:
    y = gm.empty((N,), i32)
    for i in range(N):
        y[i] = x[2 * i] - x[2 * i + 1]
    return y


differences.schedule(N=8).pipeline("i", 1).kernel.synth()
