"""The error of an f32 function over all its arguments, measured by compiled code beside the function in f64.

The f64 definition is the reference: its own error, which `elementary.py` measures against MPFR, is below 2**-28 units
in the last place of f32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

import gemel as gm
from gemel import f32, f64, i64, u32, u64

CHUNK, LANES = 1 << 16, 8
MOST = (2.0 - 2.0**-23) * 2.0**127
BEYOND = (2.0 - 2.0**-24) * 2.0**127
"""The largest float, and the number from which on rounding gives infinity."""
FAR, SPARSE = 0x48000000, 257
"""From 2**17 on the f32 sine is that of f64, rounded, and slow: there each 257th value will do."""
EXPONENT, LEAST = 0x7FF0000000000000, (1023 - 149 + 23) << 52


@cache
def errors(name: str) -> Any:
    """The errors, in units in the last place, of a function at a chunk of patterns from a given one, by a step."""
    function = getattr(gm, name)

    @gm.kernel
    def measured(first: i64, step: i64) -> f32[CHUNK]:
        found = gm.empty((CHUNK,), f32)
        for i in range(CHUNK):
            x = gm.bitcast(u32(first + i * step), f32)
            got: f64 = f64(function(x))
            exact: f64 = function(f64(x))
            size = gm.where(abs(exact) < MOST, abs(exact), MOST)
            scale: u64 = gm.bitcast(size, u64) & EXPONENT
            unit = gm.bitcast(gm.where(scale > LEAST, scale, u64(LEAST)), f64) * 2.0**-23
            error = gm.where(got == exact, 0.0, abs(got - exact) / unit)
            right = (got != got and exact != exact) or (abs(got) > MOST and got * exact > 0.0 and abs(exact) >= BEYOND)
            found[i] = f32(gm.where(right, 0.0, gm.where(error == error, error, math.inf)))
        return found

    return measured.schedule().split("i", LANES, "t", "l").vectorize("l").kernel.compile()


def chunks(name: str, step: int) -> Iterator[tuple[int, int, int]]:
    """What to look at: the first pattern of a chunk, the end of its range, the step."""
    far, half = (FAR if name in ("sin", "cos") else 1 << 31), 1 << 31
    for lo, hi, by in ((0, far, step), (far, half, max(step, SPARSE))):
        for start, end in ((lo, hi), (lo + half, hi + half)):
            yield from ((first, end, by) for first in range(start, end, CHUNK * by))


def worst(name: str, step: int = 1) -> tuple[float, float, int]:
    """The largest error over all f32 values, or each `step`-th of them; where it is; how many were looked at."""
    run, most, at, count = errors(name), 0.0, 0, 0
    for first, end, by in chunks(name, step):
        found = run(first, by)[: -(-(end - first) // by)]
        count += len(found)
        here = int(found.argmax())
        if found[here] > most:
            most, at = float(found[here]), first + here * by
    return most, float(np.array([at], np.uint32).view(np.float32)[0]), count
