"""A starred assignment."""

import numpy as np
import gemel as gm
from gemel import i32


@gm.kernel
def head(a: i32[3]) -> i32:
    first, *rest = a
    return first


head(np.ones(3, np.int32))
