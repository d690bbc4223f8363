"""Sizes that can't be broadcast."""

import numpy as np
import gemel as gm
from gemel import f32


@gm.kernel
def add(a: f32[3], b: f32[4]) -> f32[3]:
    return a + b


add(np.ones(3, np.float32), np.ones(4, np.float32))
