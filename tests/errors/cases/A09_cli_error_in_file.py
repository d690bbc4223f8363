"""A command for a file that fails by itself.

$ gemel show A09_cli_error_in_file.py:total
"""

import gemel as gm
from gemel import i32

N = gm.dim("N")


@gm.kernel
def total(a: i32[N]) -> i32:
    return gm.sum(a)
