"""A loop that is asked to read a memory more often than it has ports.

- smooth.schedule().pipeline("i", 1).kernel.synth()
+ smooth.schedule().partition("x", 0, 3).pipeline("i", 1).kernel.synth()
"""

import gemel as gm
from gemel import i32


@gm.kernel
def smooth(x: i32[64], y: i32[64]):
    for i in range(1, 63):
        y[i] = x[i - 1] + x[i] + x[i + 1]


smooth.schedule().pipeline("i", 1).kernel.synth()
