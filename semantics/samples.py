"""Random arguments for a kernel: for the command line and for testbenches."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np

from gemel.semantics import ir
from gemel.semantics.arguments import shape_of
from gemel.semantics.dtypes import BoolType, DType, FloatType, width_of
from gemel.semantics.errors import ShapeError
from gemel.semantics.rounding import round_float
from gemel.semantics.storage import EXTENSIONS, filled, is_wide, numpy_dtype, to_values, value_range


class Spread(enum.Enum):
    """Which values are drawn."""

    ALL = "all that the type has"
    SMALL = "near zero"
    CORNERS = "the least, the greatest, and those next to zero"


def sample(kernel: ir.Kernel, seed: int = 0, spread: Spread = Spread.ALL) -> list[Any]:
    """An array or number for each parameter of a kernel whose sizes are known.

    Raises ShapeError where a size is missing.
    """
    if kernel.dims:
        missing = ", ".join(d.hint for d in kernel.dims)
        raise ShapeError(f"{kernel.name} needs its sizes: {missing}", code="S04", mend="give them as NAME=VALUE")
    rng = np.random.default_rng(seed)
    return [_value(p, rng, spread) for p in kernel.params]


def _value(p: ir.Buffer | ir.Var, rng: np.random.Generator, spread: Spread) -> Any:
    return random_values(p, shape_of(p, {}) if isinstance(p, ir.Buffer) else (), rng, spread)


FLOAT_CORNERS = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0)


def random_values(p: ir.Buffer | ir.Var, shape: tuple[int, ...], rng: np.random.Generator, spread: Spread) -> Any:
    """Random values of a parameter."""
    values = _random(p.dtype, shape, rng, spread)
    return values if isinstance(p, ir.Buffer) else to_values(values, p.dtype)[0]


def _random(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator, spread: Spread) -> Any:
    if isinstance(dtype, BoolType):
        return np.asarray(rng.random(shape) < 0.5)
    if isinstance(dtype, FloatType):
        return _floats(dtype, shape, rng, spread)
    low, high = value_range(dtype)
    if spread is Spread.CORNERS:
        corners = [c for c in (low, low + 1, -1, 0, 1, high - 1, high) if low <= c <= high]
        return np.asarray(np.array(corners, numpy_dtype(dtype))[rng.integers(0, len(corners), shape)])
    if spread is Spread.SMALL:
        low, high = max(low, -2), min(high, 6)
    if is_wide(dtype):
        return _wide(dtype, low, high, shape, rng)
    return np.asarray(rng.integers(low, high, shape, numpy_dtype(dtype), endpoint=True))


def _floats(dtype: FloatType, shape: tuple[int, ...], rng: np.random.Generator, spread: Spread) -> Any:
    numbers = np.asarray(rng.standard_normal(shape)) * (3 if spread is Spread.SMALL else 1)
    if spread is Spread.CORNERS:
        numbers = np.where(rng.random(shape) < 0.5, numbers, np.array(FLOAT_CORNERS)[rng.integers(0, 6, shape)])
    if dtype not in EXTENSIONS:
        return np.asarray(numbers.astype(numpy_dtype(dtype)))
    return filled([round_float(float(x), dtype) for x in numbers.reshape(-1)], dtype, shape)


def _wide(dtype: DType, low: int, high: int, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    size = -(-width_of(dtype) // 8) + 8
    drawn = [int.from_bytes(rng.bytes(size), "little") for _ in range(math.prod(shape))]
    return filled([low + x % (high - low + 1) for x in drawn], dtype, shape)
