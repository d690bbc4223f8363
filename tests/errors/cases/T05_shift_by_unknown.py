"""A left shift by an amount of unknown size.

- 1 << n
+ 1 << (n & 31)
"""

import gemel as gm
from gemel import i32


@gm.kernel
def power_of_two(n: i32) -> i32:
    return 1 << n


power_of_two(3)
