"""An outer loop that is asked for an interval, around an inner one whose bounds depend on it."""

import gemel as gm
from gemel import i32


@gm.kernel
def triangle(n: i32) -> i32:
    total: i32 = 0
    for i in range(n):
        for j in range(i):
            total += j
    return total


triangle.schedule().pipeline("i", 1).kernel.synth()
