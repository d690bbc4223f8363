"""A variable annotated with another type."""

import gemel as gm
from gemel import i32, i64


@gm.kernel
def f(x: i32) -> i32:
    y: i32 = x
    y: i64 = x + 1
    return y


f(1)
