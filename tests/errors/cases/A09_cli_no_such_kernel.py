"""A command for a kernel that the file doesn't have.

$ gemel show A09_cli_no_such_kernel.py:doubled
"""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x
