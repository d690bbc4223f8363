"""An integer type of width 0."""

import gemel as gm

bit = gm.UInt(0)
