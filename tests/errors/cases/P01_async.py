"""A coroutine as a kernel."""

import gemel as gm
from gemel import i32


@gm.kernel
async def later(x: i32) -> i32:
    return x


later(1)
