"""A tensor rebound in a loop.

- x = a
-     for step in range(10):
-         x =
+ x = a.copy()
+     for step in range(10):
+         x[...] =
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def smooth(a: f32[N]) -> f32[N]:
    x = a
    for step in range(10):
        x = x * 0.5
    return x


smooth(np.ones(4, np.float32))
