"""A dict keyed by a traced value."""

import gemel as gm
from gemel import i32


@gm.kernel
def names(x: i32) -> i32:
    table = {x: 1}
    return table[x]


names(1)
