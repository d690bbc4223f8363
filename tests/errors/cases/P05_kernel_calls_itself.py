"""A kernel that calls itself."""

import gemel as gm
from gemel import i32, i64


@gm.kernel
def factorial(n: i32) -> i64:
    if n <= 1:
        return 1
    return n * factorial(n - 1)


factorial(5)
