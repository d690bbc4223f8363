"""One array for two results.

- both(x, out=y)
+ both(x, out=(y, None))
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def both(x: f32[N]) -> tuple[f32[N], f32[N]]:
    return x + 1.0, x - 1.0


x = np.ones(4, np.float32)
y = np.ones(4, np.float32)
both(x, out=y)
