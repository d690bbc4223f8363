"""Hardware without its sizes.

- synth(M=4)
+ synth(M=4, N=8)
"""

import gemel as gm
from gemel import u8

M, N = gm.dims("M N")


@gm.kernel
def copy(a: u8[M, N]) -> u8[M, N]:
    return a


copy.synth(M=4)
