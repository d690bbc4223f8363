"""A memory that is too large."""

import gemel as gm
from gemel import u8

N = gm.dims("N")


@gm.kernel
def clear(a: u8[N]):
    for i in range(N):
        a[i] = 0


clear.synth(N=1 << 40)
