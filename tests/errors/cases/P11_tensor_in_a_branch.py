"""A name bound to another tensor in a branch.

-     if swap:
-         chosen = b
-
+     chosen = gm.where(swap, b, a)
+
"""

import numpy as np
import gemel as gm
from gemel import bool_, f32

N = gm.dims("N")


@gm.kernel
def choose(a: f32[N], b: f32[N], swap: bool_) -> f32:
    chosen = a
    if swap:
        chosen = b
    return chosen[0]


choose(np.ones(4, np.float32), np.zeros(4, np.float32), True)
