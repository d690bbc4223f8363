"""Which trace is under way, if any: what a call of a kernel looks at first, so this module is light."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from ctypes import c_int64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemel.tracer import Tracer

_current: ContextVar[Tracer | None] = ContextVar("gemel_tracer", default=None)


UNDER_WAY = c_int64(0)
"""How many traces are under way, in all threads: native code looks here before it runs a kernel."""

_counting = threading.RLock()  # a collected object's finaliser may trace


def _count(change: int) -> None:
    with _counting:
        UNDER_WAY.value += change


def _alone() -> None:
    """In a child process the traces of other threads don't go on."""
    global _counting
    current = _current.get()
    _counting, UNDER_WAY.value = threading.RLock(), 0 if current is None else current.level + 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)


def tracing() -> Tracer | None:
    """The trace that is under way, if any."""
    return _current.get()


@contextmanager
def activate(t: Tracer) -> Iterator[None]:
    """Makes `t` the trace under way."""
    outer = _current.get()
    t.level = 0 if outer is None else outer.level + 1
    token = _current.set(t)
    _count(1)
    try:
        yield
    finally:
        _count(-1)
        _current.reset(token)
