"""A local array that no device of the target has the memory for."""

import gemel as gm
from gemel import i32

SIZE = 1 << 20


@gm.kernel
def backwards(x: i32[SIZE], y: i32[SIZE]):
    kept = gm.empty((SIZE,), i32)
    for i in range(SIZE):
        kept[i] = x[i] * 3
    for i in range(SIZE):
        y[i] = kept[SIZE - 1 - i]


backwards.synth(target="ice40")
