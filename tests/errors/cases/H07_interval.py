"""A loop that is asked to begin iterations more often than a value comes round.

- power.schedule(N=9).pipeline("i", 1).kernel.synth()
+ power.schedule(N=9).pipeline("i", 8).kernel.synth()
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def power(a: i32[N]):
    for i in range(N - 1):
        a[i + 1] = gm.cast(a[i] * a[i] * 3, i32)


power.schedule(N=9).pipeline("i", 1).kernel.synth()
