"""Counterexamples made plain: values are replaced by 0, or by smaller ones, as long as the run still fails there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

MOST_RUNS = 80
MOST_ELEMENTS = 64

Arguments = list[Any]


def shrunk(args: Sequence[Any], fails: Callable[[Arguments], bool]) -> Arguments:
    """Arguments of the same shapes for which `fails` still holds."""
    best, runs = list(args), 0
    for n in range(len(best)):
        while True:
            for smaller in _smaller(best[n]):
                if runs == MOST_RUNS:
                    return best
                runs += 1
                if fails([*best[:n], smaller, *best[n + 1 :]]):
                    best[n] = smaller
                    break
            else:
                break
            if not isinstance(best[n], np.ndarray) and best[n] == 0:
                break
    return best


def _smaller(value: Any) -> Iterator[Any]:
    """Plainer values to try, the plainest first."""
    if isinstance(value, np.ndarray):
        yield from _smaller_arrays(value)
    elif isinstance(value, bool | np.bool_):
        return
    elif value != 0:
        yield type(value)(0)
        if isinstance(value, int) and abs(value) > 1:
            yield type(value)(value // abs(value))
            yield type(value)(int(value / 2) if abs(value) < 1 << 50 else value // 2)


def _smaller_arrays(value: Any) -> Iterator[Any]:
    if not value.size:
        return
    zero = np.zeros_like(value)
    if _same(value, zero):
        return
    yield zero
    if value.size > MOST_ELEMENTS:
        return
    for place in np.ndindex(value.shape):
        if not _same(value[place], zero[place]):
            made = value.copy()
            made[place] = zero[place]
            yield made


def _same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b))
