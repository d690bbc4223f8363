"""`int()` of a traced value.

- int(x)
+ i32(x)
"""

import gemel as gm
from gemel import f32, i32


@gm.kernel
def bucket(x: f32) -> i32:
    return int(x)


bucket(2.5)
