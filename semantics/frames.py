"""Tracebacks without the frames of this package."""

from __future__ import annotations

from types import TracebackType

HELPERS = ("contextlib", "functools", "IPython", "lark", "ipykernel")
OF_USERS = ("gemel.examples", "gemel.stdlib")


def own_frames(at: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this package and of what stands between them."""
    kept = []
    while at is not None:
        if not _internal(str(at.tb_frame.f_globals.get("__name__", ""))):
            kept.append(at)
        at = at.tb_next
    result = None
    for frame in reversed(kept):
        result = TracebackType(result, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return result


def _internal(module: str) -> bool:
    if module.startswith(OF_USERS):
        return False
    return module.split(".")[0] in ("gemel", *HELPERS)
