"""Filters of planes, and planes that are kept near."""

from __future__ import annotations

import numpy as np
import pytest

import gemel as gm
from gemel.bench.kernels import depthwise
from gemel.semantics.schedule.names import loops

C, H, W = gm.dims("C H W")


@pytest.mark.parametrize("c,h,w", [(2, 8, 20), (3, 7, 33), (1, 1, 16), (2, 5, 3)])
def test_filters_of_planes_by_default(c: int, h: int, w: int) -> None:
    rng = np.random.default_rng(h)
    x, weights = rng.standard_normal((c, h, w), dtype=np.float32), rng.standard_normal((c, 3, 3), dtype=np.float32)
    s = depthwise.schedule_for(x, weights, start="cpu")
    assert "accumulate('y'" in s.text
    assert depthwise(x, weights).tobytes() == s.kernel.interpret(x, weights).tobytes()


def test_planes_that_leave_the_cache_are_kept_near() -> None:
    x, w = np.ones((16, 100, 100), np.float32), np.ones((16, 3, 3), np.float32)
    s = depthwise.schedule_for(x, w, start="cpu")
    assert "localize('padded', 'i')" in s.text
    y = depthwise(x, w)
    assert (y[:, 1:-1, 1:-1] == 9).all() and (y[:, 0, 0] == 4).all()


@gm.kernel
def idle(a: gm.i8[4]) -> gm.i32:
    s: gm.i32 = 0
    for i in range(2):
        for j in range(3):
            for k in range(4):
                t = 228 + (300 | i) + a[k] + j  # noqa: F841  nobody asks for it
    return s


def test_loops_that_do_nothing_are_gone() -> None:
    """The rules of the default schedule look at what nests begin and end with."""
    assert not list(loops(idle.schedule().simplify().kernel.ir.body))
    assert idle(np.zeros(4, np.int8)) == 0
