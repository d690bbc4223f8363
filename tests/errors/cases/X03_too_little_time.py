"""A synthesis that gets too little time."""

import gemel as gm
from gemel import i32
from gemel.hwsynth.judges import synth_yosys


@gm.kernel
def double(x: i32) -> i32:
    return x + x


synth_yosys(double.synth().verilog, "double", timeout=0.001)
