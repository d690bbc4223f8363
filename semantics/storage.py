"""How values of each element type lie in NumPy arrays at a kernel's boundary.

Each type has an element type of NumPy; those that NumPy lacks are held as ml_dtypes' formats, or as patterns where that
package is missing (narrow floats), and as Python ints in an object array (more than 64 bits). Code takes the latter as
words: little-endian groups of 64 bits.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.semantics.convert import Value, from_bits, to_bits
from gemel.semantics.dtypes import (
    BF16,
    F8E4M3,
    F8E5M2,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    storage_bits,
    width_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = np.ndarray  # its other name takes a while to load

EXTENSIONS = {F8E4M3: "float8_e4m3fn", F8E5M2: "float8_e5m2", BF16: "bfloat16"}
"""The float formats that NumPy doesn't have, by their names in ml_dtypes."""

WORD = 64

LINE = 64
"""Bytes of a cache line and of the widest vector."""


def is_wide(dtype: DType) -> bool:
    """Whether a value is an integer of more bits than any element type of NumPy has."""
    return width_of(dtype) > WORD


@cache
def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """The NumPy element type that holds `dtype`; fixed point is held as raw integers."""
    match dtype:
        case BoolType():
            return np.dtype(np.bool_)
        case FloatType():
            return _extension(dtype) if dtype in EXTENSIONS else np.dtype(f"f{dtype.width // 8}")
        case IndexType():
            return np.dtype(np.int64)
        case IntType() | FixedType():
            return np.dtype(object if is_wide(dtype) else f"{'i' if dtype.signed else 'u'}{storage_bits(dtype) // 8}")


def numpy_name(dtype: DType) -> str:
    """How a user writes the NumPy element type."""
    found = numpy_dtype(dtype)
    if dtype in EXTENSIONS and found != patterns(dtype):
        return f"ml_dtypes.{found}"
    return str(found) if is_wide(dtype) else f"np.{found}"


def _extension(dtype: FloatType) -> np.dtype[Any]:
    if importlib.util.find_spec("ml_dtypes") is None:
        return patterns(dtype)
    import ml_dtypes

    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, EXTENSIONS[dtype]))
    return found


def patterns(dtype: DType) -> np.dtype[Any]:
    """The NumPy element type that holds patterns of `dtype`."""
    return np.dtype(f"u{storage_bits(dtype) // 8}")


def accepts(dtype: DType, given: np.dtype[Any]) -> bool:
    """Whether an array of element type `given` can be a `dtype` argument as it is."""
    return given == numpy_dtype(dtype) or (dtype in EXTENSIONS and given == patterns(dtype))


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A new array that begins at a multiple of `LINE` bytes; its elements are not initialised."""
    if dtype.hasobject:
        return np.empty(shape, dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def to_values(array: Array, dtype: DType) -> list[Value]:
    """The elements in row-major order as Python values."""
    flat = array.reshape(-1)
    if dtype in EXTENSIONS:
        return [from_bits(int(bits), dtype) for bits in flat.view(patterns(dtype))]
    if is_wide(dtype):
        return [int(v) for v in flat]
    values: list[Value] = flat.tolist()
    return values


def from_values(values: Sequence[Value], dtype: DType, out: Array) -> None:
    """Writes values in row-major order into `out`; a NaN as the quiet one without sign."""
    flat = out.reshape(-1)
    if dtype in EXTENSIONS:
        flat.view(patterns(dtype))[...] = [to_bits(v, dtype) for v in values]
    elif len(values):
        flat[...] = values
        if isinstance(dtype, FloatType):
            flat[np.isnan(flat)] = np.nan


def one_nan(array: Array) -> Array:
    """The array with every NaN as the quiet one without sign: those of the CPU have the pattern that it gave them."""
    floats = array.dtype.kind in "fV"  # V: some of ml_dtypes' formats
    return np.where(array != array, array.dtype.type(np.nan), array) if floats else array


def same_bits(a: Array, b: Array) -> bool:
    """Whether two arrays hold the same: shapes, element types and bits, but that NaN is one value."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.hasobject:
        return bool((a == b).all())
    return one_nan(a).tobytes() == one_nan(b).tobytes()


def plain(x: object) -> object:
    """A scalar of NumPy or ml_dtypes as a Python number; anything else as it is."""
    if isinstance(x, np.generic):
        return x.item()
    return float(x) if type(x).__name__ in EXTENSIONS.values() else x  # type: ignore[arg-type]


def filled(values: Sequence[Value], dtype: DType, shape: tuple[int, ...]) -> Array:
    """A new array with values in row-major order."""
    out = np.zeros(shape, numpy_dtype(dtype))
    from_values(values, dtype, out)
    return out


def to_words(array: Array, dtype: DType) -> NDArray[np.uint64]:
    """The patterns of integers of more than 64 bits, a row of words each."""
    size = storage_bits(dtype) // 8
    data = b"".join(to_bits(int(v), dtype).to_bytes(size, "little") for v in array.reshape(-1))
    return np.frombuffer(bytearray(data), "<u8").reshape(-1, size // 8)


def from_words(words: NDArray[np.uint64], dtype: DType) -> list[Value]:
    """The integers whose patterns `to_words` gives; bits above the width are not looked at."""
    size, mask = words.shape[-1] * 8, (1 << width_of(dtype)) - 1
    data = np.ascontiguousarray(words).tobytes()
    patterns = (int.from_bytes(data[n : n + size], "little") for n in range(0, len(data), size))
    return [from_bits(bits & mask, dtype) for bits in patterns]


def odd_width(dtype: DType) -> bool:
    """Whether the NumPy type holds values that `dtype` doesn't have."""
    return isinstance(dtype, IntType | FixedType) and (is_wide(dtype) or width_of(dtype) != storage_bits(dtype))


def value_range(dtype: DType) -> tuple[int, int]:
    """The least and greatest raw integer of an integer or fixed type."""
    raw = dtype.raw if isinstance(dtype, FixedType) else dtype
    if not isinstance(raw, IntType | IndexType):
        raise TypeError(f"{dtype} is no integer type")
    return raw.lo, raw.hi
