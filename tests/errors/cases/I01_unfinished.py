"""IR text that ends too early."""

import gemel as gm

gm.parse("kernel double(x: i32")
