"""An unknown simulator.

- "modelsim"
+ "native"
"""

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


double.synth().simulate(1, engine="modelsim")
