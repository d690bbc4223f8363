"""None where a number is needed."""

import gemel as gm
from gemel import i32

bias = None


@gm.kernel
def shifted(x: i32) -> i32:
    return x + bias


shifted(1)
