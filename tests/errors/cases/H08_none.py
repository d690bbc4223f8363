"""No multiplier for a product.

- scale.synth(N=8, resources={"mul": 0})
+ scale.synth(N=8, resources={"mul": 1})
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def scale(a: i32[N], k: i32):
    for i in range(N):
        a[i] = a[i] * k


scale.synth(N=8, resources={"mul": 0})
