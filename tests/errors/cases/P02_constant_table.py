"""A store to a NumPy array from outside.

-     table[at] = x
+     copy = gm.array(table).copy()
+     copy[at] = x
"""

import numpy as np
import gemel as gm
from gemel import i32

table = np.zeros(16, np.int32)


@gm.kernel
def remember(x: i32, at: i32):
    table[at] = x


remember(1, 2)
