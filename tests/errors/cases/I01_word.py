"""A misspelt word in IR text.

- fro i
+ for i
"""

import gemel as gm

gm.parse("""
kernel clear[N](a: i32[N]) {
  fro i in 0 .. N {
    a[i] = 0:i32
  }
}
""")
