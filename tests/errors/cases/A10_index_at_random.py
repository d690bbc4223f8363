"""A kernel tuned on random numbers that it takes for indices."""

import gemel as gm
from gemel import f32, i32

N = gm.dims("N")


@gm.kernel
def total(x: f32[N], at: i32[N]) -> f32:
    y = gm.empty((N,), f32)
    for i in range(N):
        y[i] = x[at[i]]
    return gm.sum(y)


gm.tune(total.specialize(N=64))
