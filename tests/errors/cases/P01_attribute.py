"""A value kept in a Python object."""

import gemel as gm
from gemel import i32


class State:
    total = 0


state = State()


@gm.kernel
def remember(x: i32) -> i32:
    state.total = x
    return x


remember(1)
