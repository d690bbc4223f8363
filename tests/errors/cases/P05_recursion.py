"""Recursion that depends on a value."""

import gemel as gm
from gemel import i32, i64


def fact(n):
    return 1 if n <= 1 else n * fact(n - 1)


@gm.kernel
def factorial(n: i32) -> i64:
    return fact(n)


factorial(5)
