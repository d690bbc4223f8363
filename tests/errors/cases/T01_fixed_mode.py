"""A rounding mode that does not exist.

- "nearest"
+ "half_even"
"""

import gemel as gm

q = gm.Fixed(16, 8, rounding="nearest")
