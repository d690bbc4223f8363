"""A wrong annotation of the result.

- -> float
+ -> i32
"""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> float:
    return x + x


double(1)
