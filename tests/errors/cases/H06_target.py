"""An unknown target.

- "ecp-5"
+ "ecp5"
"""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


double.synth(target="ecp-5")
