"""A C++ compiler that fails."""

import os

import gemel as gm
from gemel import i32


@gm.kernel
def double(x: i32) -> i32:
    return x + x


os.environ["CXX"] = "false"
os.environ["GEMEL_CACHE"] = "off"
double.synth().simulate(1, engine="verilator")
