"""Large tables: data beside the code, found by the digest of their contents.

LLVM would take seconds to read them as text. The code names such a table by a symbol; whoever loads the code knows the
kernel, and so the data.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from gemel.codegen.cache import digest
from gemel.semantics.dtypes import DType
from gemel.semantics.ir import Alloc, Buffer, Call, Kernel
from gemel.semantics.storage import Array, accepts, is_wide, numpy_dtype, to_words
from gemel.semantics.traverse import statements

LARGE = 1 << 12
"""Bytes from which on a table is no part of the code: LLVM looks into smaller ones."""

_known: dict[int, tuple[weakref.ref[Any], str]] = {}


def contents(data: Array, dtype: DType) -> Array:
    """A table's elements as code has them."""
    if is_wide(dtype):
        return to_words(data, dtype)
    return data if accepts(dtype, data.dtype) else data.astype(numpy_dtype(dtype))


def apart(b: Buffer) -> bool:
    """Whether a table is data beside the code."""
    return (
        b.data is not None and b.data.nbytes >= LARGE and not b.data.dtype.hasobject and accepts(b.dtype, b.data.dtype)
    )


def symbol(data: Array) -> str:
    """What the code calls a table."""
    return f"gemel.table.{digest_of(data)}"


def digest_of(data: Array) -> str:
    """The digest of a table, whose contents never change."""
    found = _known.get(id(data))
    if found is None or found[0]() is not data:
        key = id(data)
        found = _known[key] = weakref.ref(data, lambda _: _known.pop(key, None)), digest(_bytes(data))
    return found[1]


def _bytes(data: Array) -> bytes | memoryview:
    if data.dtype.hasobject or not data.size:
        return repr(data.tolist()).encode()
    return np.ascontiguousarray(data).reshape(-1).view(np.uint8).data


def shown(b: Buffer) -> str:
    """A table in the text that is the key of a kernel's code."""
    return "none" if b.data is None else f"{b.data.dtype} {digest_of(b.data)}"


def addresses(kernel: Kernel) -> dict[str, int]:
    """Where the large tables of a kernel are, as long as it lives."""
    found: dict[str, int] = {}
    for s in statements(kernel.body):
        if isinstance(s, Alloc) and s.buffer.data is not None and apart(s.buffer):
            found[symbol(s.buffer.data)] = s.buffer.data.ctypes.data
        elif isinstance(s, Call):
            found.update(addresses(s.kernel))
    return found
