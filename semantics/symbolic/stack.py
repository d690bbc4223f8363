"""Room for deep recursion."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

STACK = 512 << 20


def deep(work: Callable[[], None]) -> None:
    """Runs something with room for deep terms; raises what it raises."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    before, limit = threading.stack_size(STACK), sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 200_000))
    try:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
    finally:
        threading.stack_size(before)
        sys.setrecursionlimit(limit)
    if errors:
        raise errors[0]
