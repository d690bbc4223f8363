"""IR text with an unknown op."""

import gemel as gm

gm.parse("""
kernel double(x: i32) -> (result: i32[]) {
  result[] = doubled(x):i32
}
""")
