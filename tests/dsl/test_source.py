"""The source of a function is found, and is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gemel as gm
from gemel import i32, i64

N = gm.dims("N")
steps: list[Callable[[Any], Any]] = [lambda x: x + 1, lambda x: x + 2, lambda x: x * 3]


@gm.kernel
def chained(x: i32) -> i64:
    return steps[2](steps[1](steps[0](x)))


def test_lambdas_of_one_line_are_told_apart() -> None:
    assert chained(1) == 12


def test_lambdas_that_take_a_name_from_around_them() -> None:
    def pair(k: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        return (lambda x: x + k), (lambda x: x - k)

    up, down = pair(5)

    @gm.kernel
    def f(x: i32) -> i64:
        return up(x) * down(x)

    assert f(7) == 24


def test_a_list_may_grow_where_it_was_made() -> None:
    @gm.kernel
    def f(a: i32[4]) -> i64:
        parts = []
        for n in gm.unroll(range(4)):
            parts.append(a[n] * n)
        return sum(parts)

    @gm.kernel
    def inside(a: i32[N], out: i32[N]):  # type: ignore[no-untyped-def]
        for i in range(N):
            both = []
            both.append(a[i])
            both.append(a[i])
            out[i] = gm.cast(both[0] + both[1], i32)

    out = np.zeros(3, np.int32)
    inside(np.arange(3, dtype=np.int32), out)
    assert f(np.arange(4, dtype=np.int32)) == 14 and out.tolist() == [0, 2, 4]
