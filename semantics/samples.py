"""Random arguments for a kernel: for the command line and for testbenches."""

from __future__ import annotations

from typing import Any

import numpy as np

from gemel.semantics import ir
from gemel.semantics.arguments import shape_of
from gemel.semantics.dtypes import BoolType, DType, FloatType
from gemel.semantics.errors import ShapeError
from gemel.semantics.storage import numpy_dtype, value_range


def sample(kernel: ir.Kernel, seed: int = 0) -> list[Any]:
    """An array or number for each parameter of a kernel whose sizes are known.

    Raises ShapeError where a size is missing.
    """
    if kernel.dims:
        missing = ", ".join(d.hint for d in kernel.dims)
        raise ShapeError(f"{kernel.name} needs its sizes: {missing}", code="S04", mend="give them as NAME=VALUE")
    rng = np.random.default_rng(seed)
    return [_value(p, rng) for p in kernel.params]


def _value(p: ir.Buffer | ir.Var, rng: np.random.Generator) -> Any:
    shape = shape_of(p, {}) if isinstance(p, ir.Buffer) else ()
    values = _random(p.dtype, shape, rng)
    return values if isinstance(p, ir.Buffer) else values.item()


def _random(dtype: DType, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if isinstance(dtype, BoolType):
        return np.asarray(rng.random(shape) < 0.5)
    if isinstance(dtype, FloatType):
        return np.asarray(rng.standard_normal(shape).astype(numpy_dtype(dtype)))
    low, high = value_range(dtype)
    return np.asarray(rng.integers(low, high, shape, numpy_dtype(dtype), endpoint=True))
