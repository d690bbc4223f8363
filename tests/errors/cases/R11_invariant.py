"""A loop invariant that doesn't hold."""

import gemel as gm
from gemel import i32, u32


@gm.kernel
def ones(x: u32) -> i32:
    n: u32 = x
    count: i32 = 0
    while n != 0:
        gm.invariant(count < 8)
        count += n & 1
        n = n >> 1
    return count


ones(0xFFFF)
