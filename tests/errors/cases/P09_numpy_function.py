"""A NumPy function on a traced value.

- np.sqrt(x)
+ gm.sqrt(x)
"""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def root(x: f32) -> f32:
    return np.sqrt(x)


root(2.0)
