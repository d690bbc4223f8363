"""`np.ndarray` as an annotation."""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def double(a: np.ndarray) -> f32:
    return a[0] + a[0]


double(np.ones(4, np.float32))
