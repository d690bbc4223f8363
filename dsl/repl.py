"""`gemel repl`: an interactive Python in which kernels can be defined, on every Python version."""

from __future__ import annotations

import code
import contextlib
import linecache
from types import CodeType
from typing import Any

import numpy as np

import gemel as gm


class Console(code.InteractiveConsole):
    """A console that keeps each input in `linecache`, where kernels find their source."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names, "<gemel>")
        self.count = 0

    def runsource(self, source: str, filename: str = "<input>", symbol: str = "single") -> bool:
        """Runs an input once it is complete; True while it isn't."""
        self.count += 1
        name = f"<gemel {self.count}>"
        text = source if source.endswith("\n") else source + "\n"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        return super().runsource(source, name, symbol)

    def runcode(self, code: CodeType) -> None:
        """Runs compiled input; an error of Gemel's is shown as its message."""
        try:
            exec(code, self.locals)
        except gm.errors.GemelError as error:
            self.write(f"{type(error).__name__}: {error}\n")
        except SystemExit:
            raise
        except BaseException:
            self.showtraceback()


def interact() -> None:
    """Runs the console on standard input."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  line editing and history where there is a terminal
    names = {"gm": gm, "np": np, **{n: getattr(gm, n) for n in gm.__all__ if n[0] in "iufb" and n[-1].isdigit()}}
    banner = "Gemel: gm, np and the element types are there. Ctrl-D ends."
    Console({"__name__": "__main__", **names, "bool_": gm.bool_}).interact(banner, "")
