"""A recurrence shared among threads."""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel
def smooth(a: f32[N]):
    for i in range(1, N):
        a[i] = 0.5 * a[i] + 0.5 * a[i - 1]


print(smooth.schedule(N=100).parallel("i"))
