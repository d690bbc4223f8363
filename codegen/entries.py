"""Native entries of kernels: code that `fastcall` writes, as an object that any process can load.

What the code refers to has a name in the object, and gets its address when the object is loaded: objects of Python and
NumPy, the kernel's code, the cell that closes the entry. So a kept entry needs neither LLVM nor the kernel's IR.
"""

from __future__ import annotations

import ast
import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from gemel.codegen import cache
from gemel.codegen.cpython import array_functions, declare, layout_is_known
from gemel.codegen.jit import Code, Loaded, load
from gemel.codegen.keeping import RELEASE
from gemel.codegen.made import unpacked

Function = Callable[..., Any]

METH_FASTCALL, METH_KEYWORDS = 0x80, 0x02

OUT = sys.intern("out")
"""The name of an argument that says where the result goes; calls pass the one string that is so interned."""

KERNEL, GATE = "kernel", "gate"
"""The kernel's code; the cell that holds 0 while calls may run natively."""

OPEN = ctypes.c_int64(0)
"""The gate of an entry that has no other."""

OBJECTS: dict[str, object] = {
    "ndarray": np.ndarray,
    "empty": np.empty,
    "zeros": np.zeros,
    "float": float,
    "int": int,
    "True": True,
    "False": False,
    "None": None,
    "out": OUT,
}


def named(name: str) -> object:
    """The object that an entry calls so: one of OBJECTS, `dtype <f4`, `class <f4` of such a type, `shape 2 3`."""
    what, *parts = name.split(" ")
    if what == "shape":
        return tuple(map(int, parts))
    if what == "class":
        return type(_element(parts[0]))
    return _element(parts[0]) if what == "dtype" else OBJECTS[name]


def element_name(dtype: np.dtype[Any]) -> str:
    """How the names of objects call an element type."""
    return dtype.str if np.dtype(dtype.str) is dtype else f"ml_dtypes.{dtype.name}"


def _element(name: str) -> np.dtype[Any]:
    package, _, there = name.partition(".")
    return np.dtype(getattr(import_module(package), there) if there else name)


@dataclass(frozen=True)
class Entry:
    """The code of an entry: the name of its kernel, of the objects that it refers to, and the object file."""

    name: str
    objects: tuple[str, ...]
    data: bytes

    def function(self, code: Loaded, fallback: Function, fail: Function, owner: object, gate: Any = None) -> Function:
        """The Python object around the code, with the kernel's `code`; its `self` is a tuple that keeps all alive.

        What it can't take it passes on to `fallback`; `fail(status, record)` gives the error of a failed run.
        """
        gate = OPEN if gate is None else gate
        objects = [named(name) for name in self.objects]
        places = {symbol(name): id(thing) for name, thing in zip(self.objects, objects, strict=True)}
        places |= {symbol(KERNEL): code.address("kernel"), symbol(GATE): ctypes.addressof(gate)}
        declare()
        loaded = load(self.data, places)
        return c_function(self.name, loaded, (fallback, fail, code, owner, gate, objects))


def symbol(name: str) -> str:
    """How the object file calls something."""
    return "gemel." + name.replace(" ", ".")


class _MethodDef(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


def c_function(name: str, code: Loaded, owned: tuple[object, ...]) -> Function:
    """The Python object around the function `entry` of some code; its `self` is a tuple that begins with `owned`."""
    definition = _MethodDef(name.encode(), code.address("entry"), METH_FASTCALL | METH_KEYWORDS, None)
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Function = new(ctypes.addressof(definition), (*owned, code, definition), None)
    return function


# ------------------------------------------------------------------------------------------------------------- on disk


@dataclass(frozen=True)
class Kept:
    """An entry and the code of its kernel, from the disk cache; it makes what `Compiled.entry` makes."""

    it: Entry
    sizes: tuple[tuple[int, ...] | None, ...]
    code: Code
    fail: Function

    def entry(self, fallback: Function, gate: ctypes.c_int64 | None = None) -> Function:
        """A function for calls that take well under a microsecond; see `Compiled.entry`."""
        return self.it.function(self.code.loaded, fallback, self.fail, self, gate)


def keep(name: str, entry: Entry, kernel: str) -> None:
    """Keeps an entry whose kernel's code is kept as `kernel`."""
    head = repr((entry.name, entry.objects, kernel))
    cache.put(name, head.encode() + b"\n" + entry.data)


def kept(name: str, sizes: tuple[tuple[int, ...] | None, ...], fail: Function) -> Kept | None:
    """What was kept under that name for arguments of such sizes.

    None where it isn't whole, or this process has not what it relies on.
    """
    found = cache.get(name)
    if found is None or not layout_is_known() or (b"PyArray_" in found and not array_functions()):
        return None
    head, _, data = found.partition(b"\n")
    of, objects, kernel = ast.literal_eval(head.decode())
    code = cache.get(kernel)
    return None if code is None else Kept(Entry(of, objects, data), sizes, _loaded(code), fail)


def _loaded(kept_code: bytes) -> Code:
    """A kernel's code that is `alone`."""
    facts, data = unpacked(kept_code)
    code = Code(str, *facts.how, load(data))
    if facts.keeps:
        code.at_end(RELEASE)
    return code
