"""A result of another size than annotated."""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def first_four(a: f32[8]) -> f32[4]:
    return a[:3]


first_four(np.ones(8, np.float32))
