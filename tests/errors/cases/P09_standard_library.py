"""A function of Python's library on traced values."""

import statistics

import gemel as gm
from gemel import f32


@gm.kernel
def middle(a: f32, b: f32) -> f32:
    return statistics.fmean([a, b])


middle(1.0, 2.0)
