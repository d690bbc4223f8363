"""A command with a size that is no number.

$ gemel synth A08_cli_no_size.py:total N=many
"""

import gemel as gm
from gemel import i32

N = gm.dims("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    return gm.sum(a)
