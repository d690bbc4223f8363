"""A bit that the value doesn't have.

- gm.bits(x, 8, 8)
+ gm.bits(x, 7, 7)
"""

import gemel as gm
from gemel import u8


@gm.kernel
def sign(x: u8) -> u8:
    return gm.bits(x, 8, 8)


sign(200)
