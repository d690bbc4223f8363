"""A warm kernel's own call: native code that checks the arguments, as `__call__` of a class that this kernel alone has.

Python looks `__call__` up in an object's class, so a kernel that has been called often gets a class of its own, made of
its former class and the entry; entries for several sizes are found by a table, see `codegen.dispatch`. What they
can't take they pass on to `Kernel.__call__`, which takes everything. While a kernel is traced in any thread all calls
go there too, by way of `underway.UNDER_WAY`.

Entries are kept on disk, by all that a kernel depends on before it is traced: a later process that calls it at sizes
that were called before needs neither its trace nor LLVM.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gemel.underway import UNDER_WAY

if TYPE_CHECKING:
    from ctypes import c_int64

    from gemel.codegen.runtime import Compiled
    from gemel.kernel import Kernel, Sizes

MAX_ENTRIES = 100
"""Sizes that have an entry."""

OWN, TABLE = "_gemel_entries", "_gemel_table"
"""The attributes of such a class: the entries with their sizes, and the table where there are several."""

_lock = threading.RLock()  # a collected object's finaliser may call a kernel


def plain_class(cls: type) -> type:
    """The class that a kernel had before it was warm."""
    return cls.__bases__[0] if OWN in vars(cls) else cls


class Enterable(Protocol):
    """Code for some sizes: compiled here, or kept on disk."""

    @property
    def sizes(self) -> Sizes:
        """The sizes of the arguments; None for a number."""

    def entry(self, fallback: Callable[..., Any], gate: c_int64 | None = None) -> Callable[..., Any]:
        """A function for calls that take well under a microsecond; what it can't take it passes on."""


def warm(kernel: Any, compiled: Enterable, wanted: Callable[[], bool]) -> bool:
    """Makes calls of a kernel begin in the code for some sizes, if that is still wanted; says whether they do."""
    with _lock:
        cls = type(kernel)
        plain, entries = plain_class(cls), vars(cls).get(OWN, [])
        if len(entries) >= MAX_ENTRIES or not wanted():
            return False
        slow = MethodType(plain.__call__, kernel)
        entry = compiled.entry(slow, UNDER_WAY)
        if entry is slow:
            return False
        entries.append((compiled.sizes, entry))
        if len(entries) == 1:
            kernel.__class__ = _own(plain, {OWN: entries, "__call__": entry})
        elif len(entries) == 2:
            kernel.__class__ = _several(plain, entries, slow)
        else:
            getattr(cls, TABLE).add(*entries[-1])
        return True


def _own(plain: type, attributes: dict[str, Any]) -> type:
    facts = {"__slots__": (), "__module__": plain.__module__, "__doc__": plain.__doc__, "__qualname__": plain.__name__}
    return type(plain.__name__, (plain,), {**facts, **attributes})


def _several(plain: type, entries: list[tuple[Sizes, Any]], slow: Callable[..., Any]) -> type:
    """The class of a kernel whose entries are found by a table."""
    from gemel.codegen.dispatch import Dispatch

    table = Dispatch()
    for sizes, entry in entries:
        table.add(sizes, entry)
    return _own(plain, {OWN: entries, TABLE: table, "__call__": table.function(plain.__name__, slow)})


def cool(kernel: Any, clear: Callable[[], None]) -> None:
    """Takes the entries back: calls begin in Python again. `clear` forgets the code, before another thread warms it."""
    with _lock:
        clear()
        kernel.__class__ = plain_class(type(kernel))


# ------------------------------------------------------------------------------------------------------------- on disk


def _name(kernel: Kernel, args: Sequence[Any]) -> str | None:
    """How the entry for such arguments is kept; None where that can't be told, or nothing is kept."""
    from gemel.codegen import cache

    numbers = all(type(a) in (np.ndarray, int, float, bool) for a in args)
    if (
        kernel._reports
        or kernel._constants
        or not numbers
        or cache.store() is None
        or kernel._origin.fingerprint is None
    ):
        return None
    from gemel.codegen import tuned
    from gemel.codegen.keys import of_call

    sizes, known = repr(_sizes(args)), repr(sorted(kernel._known.items()))
    return of_call(kernel._origin.fingerprint, sizes, known, tuned.state())


def _sizes(args: Sequence[Any]) -> Sizes:
    return tuple(a.shape if isinstance(a, np.ndarray) else None for a in args)


def found(kernel: Kernel, args: Sequence[Any]) -> bool:
    """Whether calls begin from now on in an entry for such arguments that was on disk; asked once for each."""
    name = _name(kernel, args)
    if name is None or name in kernel._asked:
        return False
    kernel._asked.add(name)
    from gemel.codegen.entries import kept

    entry = kept(name, _sizes(args), partial(_failed, kernel, _sizes(args)))
    return entry is not None and warm(kernel, entry, lambda: not kernel._reports)


def keep(kernel: Kernel, compiled: Compiled, args: Sequence[Any]) -> None:
    """Keeps the entry of what was compiled for such arguments, and begins calls in it."""
    from gemel.codegen.entries import keep

    name = _name(kernel, args) if compiled.kept_as is not None and compiled.alone else None
    entry = compiled.native_entry if name is not None else None
    if name is not None and entry is not None and compiled.kept_as is not None:
        kernel._asked.add(name)
        keep(name, entry, compiled.kept_as)
        kernel._warm(compiled)


def _failed(kernel: Kernel, sizes: Sizes, status: int, record: bytes) -> Exception:
    """The error of a run in a kept entry: only now the kernel is traced."""
    return kernel._compile_at(sizes).error(status, record)
