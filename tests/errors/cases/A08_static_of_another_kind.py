"""A static argument of another kind."""

import gemel as gm
from gemel import i32, i64


@gm.kernel
def shift(x: i32, n: gm.static[int]) -> i64:
    return x << n


shift(1, "two")
