"""A warm kernel's own call: native code that checks the arguments, as `__call__` of a class that this kernel alone has.

Python looks `__call__` up in an object's class, so a kernel that has been called often gets a class of its own, made of
its former class and the entry. Entries for several sizes form a chain: each passes what it can't take on to the one
before, the first to `Kernel.__call__`, which takes everything. While a kernel is traced in any thread all calls go
there too, by way of `tracer.UNDER_WAY`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

from gemel.tracer import UNDER_WAY

if TYPE_CHECKING:
    from gemel.codegen import Compiled

MAX_ENTRIES = 4
"""Sizes that have an entry: the last costs as many failed checks as there are others."""

OWN = "_gemel_entries"
"""The attribute of such a class that counts the entries."""

_lock = threading.Lock()


def plain_class(cls: type) -> type:
    """The class that a kernel had before it was warm."""
    return cls.__bases__[0] if OWN in vars(cls) else cls


def warm(kernel: Any, compiled: Compiled, wanted: Callable[[], bool]) -> bool:
    """Makes calls of a kernel begin in the code for some sizes, if that is still wanted; says whether they do."""
    with _lock:
        cls = type(kernel)
        plain, count = plain_class(cls), vars(cls).get(OWN, 0)
        if count == MAX_ENTRIES or not wanted():
            return False
        before = cls.__call__ if count else MethodType(plain.__call__, kernel)
        entry = compiled.entry(before, UNDER_WAY)
        if entry is before:
            return False
        names = {
            "__slots__": (),
            "__module__": plain.__module__,
            "__doc__": plain.__doc__,
            "__qualname__": plain.__name__,
        }
        kernel.__class__ = type(plain.__name__, (plain,), {**names, OWN: count + 1, "__call__": entry})
        return True


def cool(kernel: Any, clear: Callable[[], None]) -> None:
    """Takes the entries back: calls begin in Python again. `clear` forgets the code, before another thread warms it."""
    with _lock:
        clear()
        kernel.__class__ = plain_class(type(kernel))
