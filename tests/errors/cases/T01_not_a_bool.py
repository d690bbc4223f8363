"""`~` for a logical not.

- ~even
+ not even
"""

import gemel as gm
from gemel import i32


@gm.kernel
def odd(x: i32, y: i32) -> i32:
    even = x % 2 == 0
    return 1 if ~even and y > 0 else 0


odd(3, 1)
