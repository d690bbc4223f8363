"""A kernel made by `exec`."""

import gemel as gm
from gemel import i32

namespace = {"gm": gm, "i32": i32}
exec("@gm.kernel\ndef double(x: i32) -> i32:\n    return x", namespace)
double = namespace["double"]
double(1)
