"""From regions to a netlist: schedules, stage registers, counters, and the pulses that hand control on.

A region gets a `start` pulse and gives a `done` pulse in its last cycle; the region after it is active in the next
cycle. A block's cycles are a chain of bits that the pulse runs through; in a pipelined loop a bit enters every II
cycles. Values that control reads at a pulse are in registers by then (`early`). `kill` clears all chains after a
failed check.
"""

from gemel.hwsynth.generate.pieces import Generator
from gemel.hwsynth.generate.sequences import cycles_of, emit, plan

__all__ = ["Generator", "cycles_of", "emit", "plan"]
