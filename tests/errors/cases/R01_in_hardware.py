"""An index out of range in simulated hardware."""

import numpy as np
import gemel as gm
from gemel import i32


@gm.kernel
def pick(a: i32[4], at: i32) -> i32:
    return a[at]


pick.synth().simulate(np.arange(4, dtype=np.int32), 7)
