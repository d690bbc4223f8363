"""IR text with a name that isn't declared."""

import gemel as gm

gm.parse("""
kernel first[N](a: i32[N]) -> (result: i32[]) {
  result[] = b[0]
}
""")
