"""Arrays that aren't NumPy's: their memory as an array, without a copy.

Three protocols say where memory is: DLPack (PyTorch, JAX, CuPy), Python's buffers (memoryview, array.array, ctypes,
bytes) and `__array_interface__`. DLPack is read here rather than by NumPy, which knows no bfloat16 and takes for
read-only what an exporter of the first version gives.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any, ClassVar

import numpy as np

from gemel.semantics.dtypes import BF16, F8E4M3, F8E5M2
from gemel.semantics.storage import Array, numpy_dtype

HOST = (1, 3, 11, 13)
"""Devices of DLPack whose memory the CPU reads: its own, and that which is pinned or managed for CUDA and ROCm."""

READ_ONLY = 1

KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}
NARROW = {(4, 16): BF16, (10, 8): F8E4M3, (12, 8): F8E5M2}
"""Element types by DLPack's code, the narrow floats by code and bits."""

WRITEABLE = ("torch",)
"""Packages whose arrays may be stored to even if the protocol's version can't say so."""


class NotSharedError(Exception):
    """An array whose memory can't be used as it is; `mend` has a place for its name."""

    def __init__(self, why: str, mend: str) -> None:
        super().__init__(why)
        self.why, self.mend = why, mend


def as_array(x: object) -> Array | None:
    """The memory of `x` as an array; None where it has none to share, or is NumPy's already.

    Raises NotSharedError where it has memory that can't be used.
    """
    if x is None or isinstance(x, np.ndarray | np.generic | int | float | str):
        return None
    if hasattr(type(x), "__dlpack__"):
        return _from_dlpack(x)
    try:
        view = memoryview(x)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        return _as_numpy(x) if hasattr(type(x), "__array_interface__") else None
    return _as_numpy(view)


def _as_numpy(x: object) -> Array:
    try:
        return np.asarray(x)
    except (TypeError, ValueError, BufferError, AttributeError) as error:
        raise NotSharedError(str(error), "pass a NumPy array: np.array({})") from None


# -------------------------------------------------------------------------------------------------------------- DLPack


class _Tensor(ctypes.Structure):
    _fields_: ClassVar = [
        *(("data", ctypes.c_void_p), ("device", ctypes.c_int32), ("device_id", ctypes.c_int32)),
        *(("rank", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)),
        *(("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64))),
        ("offset", ctypes.c_uint64),
    ]


class _Versioned(ctypes.Structure):
    _fields_: ClassVar = [
        *(("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p)),
        *(("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _Tensor)),
    ]


class _Holder:
    """What an array over foreign memory has as its base: it keeps the exporter's capsule."""

    def __init__(self, capsule: object, interface: dict[str, Any]) -> None:
        self.capsule, self.__array_interface__ = capsule, interface


def _from_dlpack(x: Any) -> Array:
    device = int(_asked(x, x.__dlpack_device__)[0])
    if device not in HOST:
        raise NotSharedError(f"it is on a device (DLPack's number {device})", "copy it to the CPU first: {}.cpu()")
    if hasattr(x, "block_until_ready"):
        x.block_until_ready()  # JAX computes in the background
    capsule = _asked(x, lambda: _capsule(x))
    versioned = _pointer(capsule, b"dltensor_versioned")
    if versioned is not None:
        head = _Versioned.from_address(versioned)
        if head.major != 1:
            raise NotSharedError(f"it speaks DLPack {head.major}.{head.minor}", "pass a NumPy array: np.array({})")
        return _over(capsule, head.tensor, bool(head.flags & READ_ONLY))
    plain = _pointer(capsule, b"dltensor")
    if plain is None:
        raise NotSharedError("its __dlpack__ gives no fresh capsule", "pass a NumPy array: np.array({})")
    return _over(capsule, _Tensor.from_address(plain), type(x).__module__.split(".")[0] not in WRITEABLE)


def _capsule(x: Any) -> object:
    try:
        return x.__dlpack__(max_version=(1, 0))
    except TypeError:
        return x.__dlpack__()


def _asked(x: Any, question: Callable[[], Any]) -> Any:
    """What an exporter answers.

    Raises NotSharedError where it refuses.
    """
    try:
        return question()
    except (RuntimeError, ValueError, TypeError, BufferError) as error:
        mend = "pass {}.detach()" if getattr(x, "requires_grad", False) else "pass a NumPy array: np.array({})"
        raise NotSharedError(str(error).split("\n")[0], mend) from None


@cache
def _function(name: str, result: Any) -> Callable[..., Any]:
    prototype = ctypes.PYFUNCTYPE(result, ctypes.py_object, ctypes.c_char_p)
    function: Callable[..., Any] = prototype((name, ctypes.pythonapi))
    return function


def _pointer(capsule: object, name: bytes) -> int | None:
    if not _function("PyCapsule_IsValid", ctypes.c_int)(capsule, name):
        return None
    address: int = _function("PyCapsule_GetPointer", ctypes.c_void_p)(capsule, name)
    return address


def _over(capsule: object, t: _Tensor, read_only: bool) -> Array:
    narrow = NARROW.get((t.code, t.bits))
    if t.lanes != 1 or (narrow is None and (t.code not in KINDS or t.bits % 8)):
        raise NotSharedError(
            f"no kernel has its element type (DLPack's {t.code}, {t.bits} bits)", "convert {} to a type that NumPy has"
        )
    size = t.bits // 8
    shape = tuple(t.shape[n] for n in range(t.rank))
    kind = f"u{size}" if narrow is not None else f"{KINDS[t.code]}{size}"
    if not prod(shape):
        made: Array = np.empty(shape, kind)
        made.flags.writeable = not read_only
    else:
        strides = tuple(t.strides[n] * size for n in range(t.rank)) if t.strides else None
        place = (t.data or 0) + t.offset, read_only
        interface = {"version": 3, "typestr": f"<{kind}", "shape": shape, "strides": strides, "data": place}
        made = _as_numpy(_Holder(capsule, interface))
    return made if narrow is None else made.view(numpy_dtype(narrow))
