"""The result in place of an argument.

- add(a, b, out=a)
+ add(a, b, out=np.empty_like(a))
"""

import numpy as np
import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def add(a: f32[N], b: f32[N]) -> f32[N]:
    return a + b


a = np.ones(4, np.float32)
b = np.ones(4, np.float32)
add(a, b, out=a)
