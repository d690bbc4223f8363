"""What native code relies on in CPython and NumPy: where objects have their fields, and the functions it calls.

Nothing of it is taken on trust: `layout_is_known` and `array_functions` look at objects of this process first.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from functools import cache
from typing import Any

import numpy as np

from gemel.codegen.jit import define

TYPE, DATA, RANK, DIMS, DTYPE, FLAGS = 8, 16, 24, 32, 56, 64
"""Where an array object has its type, address, rank, sizes, element type and flags."""

ORDER = 26
"""Where an element type has the letter of its byte order; NATIVE are those of this machine's."""

NATIVE = b"=|"

LENGTH, ITEMS = 16, 24
"""Where a tuple has its length and its items."""

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

C_API = (
    *("PyObject_Vectorcall", "PyTuple_GetItem", "PyTuple_New", "PyTuple_SetItem", "Py_IncRef", "Py_DecRef"),
    *("PyFloat_AsDouble", "PyFloat_FromDouble", "PyBool_FromLong", "PyBytes_FromStringAndSize"),
    *("PyLong_AsLongLongAndOverflow", "PyLong_FromLongLong", "PyLong_FromUnsignedLongLong"),
    *("PyEval_SaveThread", "PyEval_RestoreThread", "PyErr_SetObject"),
)

ARRAY_API = {"PyArray_Zeros": 183, "PyArray_Empty": 184}
"""NumPy's functions that make arrays, by their places in its table; these are fixed for an ABI."""

ABI = 0x02000000


def _word(address: int) -> int:
    return ctypes.c_uint64.from_address(address).value


@cache
def layout_is_known() -> bool:
    """Whether Python's and NumPy's objects are laid out as the native check expects."""
    if sys.implementation.name != "cpython" or struct.calcsize("P") != 8:
        return False
    if hasattr(sys, "gettotalrefcount") or not all(hasattr(ctypes.pythonapi, name) for name in C_API):
        return False
    return _arrays_are_known() and _element_types_are_known() and _tuples_are_known()


def _arrays_are_known() -> bool:
    probe = np.arange(6, dtype=np.int16).reshape(2, 3)
    at = id(probe)
    sizes = tuple(ctypes.c_int64.from_address(_word(at + DIMS) + 8 * n).value for n in range(2))
    flags = ctypes.c_int32.from_address(at + FLAGS).value
    want = (id(np.ndarray), probe.ctypes.data, id(probe.dtype), (2, 3), probe.flags.num, id(float))
    found = (_word(at + TYPE), _word(at + DATA), _word(at + DTYPE), sizes, flags, _word(id(1.5) + TYPE))
    return want == found and ctypes.c_int32.from_address(at + RANK).value == 2


def _element_types_are_known() -> bool:
    letters = [ctypes.c_char.from_address(id(np.dtype(code)) + ORDER).value for code in ("i1", "=i2", "<i2", ">i2")]
    other = b">" if sys.byteorder == "little" else b"<"
    classes = {type(np.dtype(code)) for code in ("i1", "i2", "u2", "f2", "?")}
    return letters[:2] == [b"|", b"="] and {*letters[2:]} == {b"=", other} and len(classes) == 5


def _tuples_are_known() -> bool:
    probe = ("a", "b")
    items = [_word(id(probe) + ITEMS + 8 * n) for n in range(2)]
    return _word(id(probe) + LENGTH) == 2 and items == [id(x) for x in probe]


@cache
def array_functions() -> bool:
    """Whether code can call NumPy's functions that make arrays; they are tried first."""
    table = _array_table()
    if table is None or not all(_makes_arrays(table[place]) for place in ARRAY_API.values()):
        return False
    for name, place in ARRAY_API.items():
        define(name, table[place])
    return True


def _array_table() -> Any:
    """NumPy's table of functions; None where it isn't of the ABI that is known."""
    capsule = getattr(getattr(getattr(np, "_core", None), "_multiarray_umath", None), "_ARRAY_API", None)
    if capsule is None:
        return None
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = (ctypes.c_void_p * (max(ARRAY_API.values()) + 1)).from_address(pointer(capsule, None))
    version = ctypes.CFUNCTYPE(ctypes.c_uint)(table[0] or 0)
    return table if version() == ABI and table[2] == id(np.ndarray) else None


def _makes_arrays(address: int) -> bool:
    """Tries `PyObject *make(int rank, const intptr_t *sizes, PyArray_Descr *stolen, int fortran)`."""
    types = (ctypes.c_int, ctypes.c_void_p, ctypes.py_object, ctypes.c_int)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, *types)(address)
    dtype = np.dtype(np.int16)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(dtype))
    made = make(2, ctypes.addressof((ctypes.c_int64 * 2)(2, 3)), dtype, 0)
    fine = type(made) is np.ndarray and made.flags.c_contiguous and made.flags.writeable and made.flags.owndata
    return fine and made.shape == (2, 3) and made.dtype is dtype


@cache
def declare() -> None:
    """Lets code find Python's functions, wherever the process has them."""
    for name in C_API:
        define(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0)
