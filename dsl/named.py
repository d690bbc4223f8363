"""What a command line names: a kernel as `file.py:function`, and its sizes."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from gemel.errors import ArgumentError, GemelError
from gemel.kernel import Kernel
from gemel.semantics.span import Span


def load(name: str) -> Kernel:
    """The kernel that `file.py:function` names; executes the file.

    Raises ArgumentError where there is none.
    """
    path, _, function = name.rpartition(":")
    if not path:
        raise ArgumentError(f"{name!r} names no kernel", code="A09", mend="write file.py:function")
    if not Path(path).is_file():
        raise ArgumentError(
            f"there is no file {path}", code="A09", mend="paths start at the folder where the command runs"
        )
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{path} is no Python file", code="A09", mend="its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(Path(path).parent))
    try:
        spec.loader.exec_module(module)
    except GemelError:
        raise
    except Exception as error:
        raise _failed(path, error) from error
    found = getattr(module, function, None)
    if not isinstance(found, Kernel):
        kernels = ", ".join(n for n, v in vars(module).items() if isinstance(v, Kernel)) or "none"
        raise ArgumentError(f"{path} has no kernel {function}", code="A09", mend=f"its kernels: {kernels}")
    return found


def _failed(path: str, error: Exception) -> ArgumentError:
    """The error for a file that doesn't run: the place in it that fails."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == Path(path).absolute()]
    span = None
    if isinstance(error, SyntaxError) and error.lineno:
        span = Span(path, error.lineno, error.offset or 1, error.lineno, error.end_offset or 0)
    elif frames:
        at = frames[-1]
        line, last, start = at.lineno or 1, at.end_lineno or at.lineno or 1, (at.colno or 0) + 1
        span = Span(path, line, start, last, (at.end_colno or start) + 1)
    what = f"{path} doesn't run: {type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return ArgumentError(what, code="A09", span=span, mend=f"run it alone first: python {path}")


def sizes(given: list[str] | None) -> dict[str, Any]:
    """NAME=VALUE arguments as a dict.

    Raises ArgumentError for anything else.
    """
    found = {}
    for text in given or ():
        name, _, value = text.partition("=")
        if not value.lstrip("-").isdigit():
            raise ArgumentError(f"{text!r} is no size", code="A08", mend="write NAME=VALUE, for example M=8")
        found[name] = int(value)
    return found
