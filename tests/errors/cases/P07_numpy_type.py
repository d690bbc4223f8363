"""A NumPy type as an annotation.

- np.float32)
+ f32)
"""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def double(x: np.float32) -> f32:
    return x + x


double(1.0)
