"""`in` with a traced value.

- c in (32, 9, 10)
+ c == 32 or c == 9 or c == 10
"""

import gemel as gm
from gemel import bool_, u8


@gm.kernel
def is_space(c: u8) -> bool_:
    return c in (32, 9, 10)


is_space(32)
