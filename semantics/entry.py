"""What a user sees of an error's way: his own frames, without those of this package; GEMEL_TRACEBACK=full keeps all."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gemel.semantics.errors import GemelError
from gemel.semantics.frames import own_frames

P = ParamSpec("P")
R = TypeVar("R")


def entry(fn: Callable[P, R]) -> Callable[P, R]:
    """Makes a function that users call: its errors leave it with a short traceback."""

    @functools.wraps(fn)
    def gemel(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return fn(*args, **kwargs)
        except GemelError as error:
            raise trimmed(error)  # noqa: B904  it is the same error

    return gemel


def trimmed(error: GemelError) -> GemelError:
    """The error with the user's own frames only, and its cause where that shows frames of the user's too."""
    if os.environ.get("GEMEL_TRACEBACK") == "full":
        return error
    cause = error.__cause__
    if cause is not None:
        cause.__traceback__ = own_frames(cause.__traceback__)
        error.__cause__ = cause if cause.__traceback__ is not None else None
    error.__suppress_context__ = True
    return error.with_traceback(own_frames(error.__traceback__))
