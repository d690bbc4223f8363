"""What synthesis knows of a target: delays and areas of operators by width, memories, multipliers, the part.

A target is a data file: what a person states of the technology, then what `gemel calibrate` has measured of it.
"""

from gemel.hwsynth.targets.delays import choice, delay, factors, one_multiplier, widest
from gemel.hwsynth.targets.files import Target, target, targets
from gemel.hwsynth.targets.tables import Table

__all__ = ["Table", "Target", "choice", "delay", "factors", "one_multiplier", "target", "targets", "widest"]
