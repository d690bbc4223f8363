"""A simulator that isn't installed."""

import os

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


os.environ["PATH"] = "/nowhere"
double.synth().simulate(1, engine="icarus")
