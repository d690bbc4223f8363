"""Running what takes long: with room for deep terms, a time limit for each piece of work, and an end by Ctrl-C.

The work is done in a thread of its own; whoever started it waits, and stops it between two steps of Python. What z3 is
asked has a limit of its own.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

STACK = 512 << 20
"""Bytes of stack."""

DEPTH = 200_000
"""Calls within calls."""

LOOK = 0.1
"""Seconds between two looks at the clock."""


AGAIN = 2.0
"""Seconds until work that goes on is stopped once more."""


class OutOfTime(Exception):
    """A piece of work that takes longer than it may."""


class Stopped(BaseException):
    """The end of work that nobody waits for any more."""


@dataclass
class Watch:
    """The clock of the work in a thread; `seconds` is the limit for each piece, None for no limit."""

    seconds: float | None = None
    begun: float | None = None
    limit: float | None = None
    """The limit of the piece that is under way."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def piece(self, most: float | None = None) -> Iterator[None]:
        """A piece of work with a limit of its own, `most` seconds if that is less; raises OutOfTime inside."""
        with self.lock:
            limits = [s for s in (self.seconds, most) if s is not None]
            self.begun, self.limit = time.monotonic(), min(limits, default=None)
        try:
            yield
        finally:
            with self.lock:
                self.begun = None

    def look(self, thread: threading.Thread) -> None:
        """Stops the piece that is under way where it has taken too long, and again: a finaliser may swallow it."""
        with self.lock:
            if self.limit is not None and self.begun is not None and time.monotonic() - self.begun > self.limit:
                self.begun = time.monotonic() - self.limit + AGAIN
                _raise_in(thread, OutOfTime)


_local = threading.local()


def watch() -> Watch:
    """The clock of this thread's work."""
    found: Watch = getattr(_local, "watch", None) or Watch()
    return found


def deep(work: Callable[[], None], seconds: float | None = None) -> None:
    """Runs something with room for deep terms; raises what it raises. Each piece of it may take so many seconds.

    Ctrl-C stops the work.
    """
    errors: list[BaseException] = []
    clock = Watch(seconds)

    def run() -> None:
        _local.watch = clock
        try:
            work()
        except BaseException as error:
            errors.append(error)

    before, limit = threading.stack_size(STACK), sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, DEPTH))
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        _wait(thread, clock)
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]


def _wait(thread: threading.Thread, clock: Watch) -> None:
    try:
        while thread.is_alive():
            thread.join(LOOK)
            clock.look(thread)
    except BaseException:
        _raise_in(thread, Stopped)
        raise


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raises an error in a thread, at its next step of Python."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))
