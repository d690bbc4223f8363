"""An assertion that fails."""

import gemel as gm
from gemel import i32


@gm.kernel
def mean(total: i32, count: i32) -> i32:
    assert count > 0, "count must be positive"
    return total // count


mean(10, -2)
