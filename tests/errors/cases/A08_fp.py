"""An unknown option of `@gm.kernel`.

- "fast"
+ "strict"
"""

import gemel as gm
from gemel import f32

N = gm.dims("N")


@gm.kernel(fp="fast")
def total(a: f32[N]) -> f32:
    return gm.sum(a)
