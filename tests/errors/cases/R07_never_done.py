"""A simulation that doesn't end in time.

- max_cycles=50
+ max_cycles=5000
"""

import gemel as gm
from gemel import u32


@gm.kernel
def collatz(x: u32) -> u32:
    n: u32 = x
    steps: u32 = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


collatz.synth().simulate(27, max_cycles=50)
