"""IR text that stores a value of another type.

- x + x
+ cast(x + x):i32
"""

import gemel as gm

gm.parse("""
kernel double(x: i32) -> (result: i32[]) {
  result[] = x + x
}
""")
