"""A `match` statement in a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
def select(x: i32) -> i32:
    match x:
        case 0:
            return 1
        case _:
            return x


select(1)
