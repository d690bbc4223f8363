"""A loop that is asked to read a memory more often than it has ports.

- mirror.schedule().pipeline("i", 1).kernel.synth()
+ mirror.schedule().pipeline("i", 2).kernel.synth()
"""

import gemel as gm
from gemel import i32


@gm.kernel
def mirror(x: i32[64], y: i32[64]):
    for i in range(64):
        y[i] = x[i] - x[63 - i]


mirror.schedule().pipeline("i", 1).kernel.synth()
