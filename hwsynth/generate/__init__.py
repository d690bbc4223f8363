"""From regions to a netlist: schedules, stage registers, counters, and the pulses that hand control on.

A region gets a `start` pulse and gives a `done` pulse in its last cycle; a region that waits for it is active in the
next cycle. A block's cycles are a chain of bits that the pulse runs through; in a pipelined loop a bit enters every II
cycles. Values that control reads at a pulse are in registers by then (`early`). `kill` clears all chains after a
failed check.
"""

from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.sequences import emit, plan, stretches

__all__ = ["Generator", "emit", "plan", "stretches"]
