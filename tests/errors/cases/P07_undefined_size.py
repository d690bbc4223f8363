"""A size that was never declared.

- @gm.kernel
+ L = gm.dims("L")
+
+
+ @gm.kernel
"""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def total(a: f32[L]) -> f32:
    return gm.sum(a)


total(np.ones(4, np.float32))
