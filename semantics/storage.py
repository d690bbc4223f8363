"""How values of each element type lie in NumPy arrays at a kernel's boundary."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.semantics.convert import Value, from_bits, to_bits
from gemel.semantics.dtypes import (
    BF16,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    storage_bits,
    width_of,
)
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.span import Span

Array = NDArray[Any]


@cache
def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy element type that holds `dtype`: fixed point as raw integers, bf16 as ml_dtypes' type or u16 patterns.

    Raises TypeCheckError for types of more than 64 bits.
    """
    match dtype:
        case BoolType():
            return np.dtype(np.bool_)
        case FloatType():
            return _bfloat16() if dtype == BF16 else np.dtype(f"f{dtype.width // 8}")
        case IndexType():
            return np.dtype(np.int64)
        case IntType() | FixedType():
            if dtype.width > 64:
                raise TypeCheckError(
                    f"{dtype} has no NumPy type: parameters and results have at most 64 bits",
                    code="T06",
                    mend="pass it as several words, for example u64[2]",
                )
            return np.dtype(f"{'i' if dtype.signed else 'u'}{storage_bits(dtype) // 8}")


def _bfloat16() -> np.dtype[Any]:
    if importlib.util.find_spec("ml_dtypes") is None:
        return np.dtype(np.uint16)
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def accepts(dtype: DType, given: np.dtype[Any]) -> bool:
    """Whether an array of element type `given` can be a `dtype` argument as it is."""
    return given == numpy_dtype(dtype) or (dtype == BF16 and given == np.uint16)


def check_boundary(dtype: DType, span: Span) -> None:
    """Raises TypeCheckError, with the place, where values of `dtype` can't cross a kernel's boundary."""
    try:
        numpy_dtype(dtype)
    except TypeCheckError as error:
        raise TypeCheckError(error.what, code=error.code, span=span, mend=error.mend) from None


def to_values(array: Array, dtype: DType) -> list[Value]:
    """The elements in row-major order as Python values."""
    flat = array.reshape(-1)
    if dtype == BF16:
        return [from_bits(int(bits), BF16) for bits in flat.view(np.uint16)]
    values: list[Value] = flat.tolist()
    return values


def from_values(values: list[Value], dtype: DType, out: Array) -> None:
    """Writes values in row-major order into `out`."""
    flat = out.reshape(-1)
    if dtype == BF16:
        flat.view(np.uint16)[...] = [to_bits(v, BF16) for v in values]
    elif values:
        flat[...] = values


def odd_width(dtype: DType) -> bool:
    """Whether the NumPy type holds values that `dtype` doesn't have."""
    return isinstance(dtype, IntType | FixedType) and width_of(dtype) != storage_bits(dtype)


def value_range(dtype: DType) -> tuple[int, int]:
    """The least and greatest raw integer of an integer or fixed type."""
    raw = dtype.raw if isinstance(dtype, FixedType) else dtype
    if not isinstance(raw, IntType | IndexType):
        raise TypeError(f"{dtype} is no integer type")
    return raw.lo, raw.hi
