"""A command without the sizes.

$ gemel run S04_cli_missing_size.py:total
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    return gm.sum(a)
