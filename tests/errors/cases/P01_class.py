"""A class in a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
def point(x: i32) -> i32:
    class Point:
        pass

    return x


point(1)
