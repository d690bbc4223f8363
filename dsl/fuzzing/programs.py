"""Drawn kernels as Python source: the undecorated function on Python's numbers must give what the engines give.

Judging one executes its source. What is drawn holds nothing but arithmetic, loops and branches.
"""

from __future__ import annotations

import itertools
import json
import linecache
from dataclasses import dataclass
from typing import Any

import numpy as np

from gemel.fuzzing.cases import taken
from gemel.semantics.ir import Kernel

HEAD = "import gemel as gm\nfrom gemel import i8, i16, i32, i64, u8, u16\n\n"
_serial = itertools.count()


class Differs(AssertionError):
    """An engine doesn't do what Python does."""


@dataclass(frozen=True)
class Program:
    """Source with a kernel `k`, and its arguments in the form of a case's file."""

    text: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"# {json.dumps({'arguments': self.arguments})}\n{self.text}"

    __repr__ = __str__


def read(text: str) -> Program:
    """The program of a text that `str` of one gave; nothing is executed."""
    head, _, rest = text.partition("\n")
    return Program(rest, tuple(json.loads(head.removeprefix("#"))["arguments"]))


def load(program: Program) -> Any:
    """The decorated kernel. Executes the source."""
    name = f"<drawn {next(_serial)}>"
    text = program.text
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": "drawn"}
    exec(compile(text, name, "exec"), names)
    return names["k"]


def judge(program: Program) -> None:
    """Raises Differs where the interpreter or native code gives other numbers than Python."""
    k = load(program)
    ir: Kernel = k.ir
    want = _outcome(k.fn, [_wide(a) for a in _arguments(ir, program)])
    for name, engine in (("the interpreter", k.interpret), ("native code", k)):
        got = _outcome(engine, _arguments(ir, program))
        if got != want:
            raise Differs(f"{name} gives {got}, Python {want}\n{ir}")


def _arguments(ir: Kernel, program: Program) -> list[Any]:
    return [taken(p, a) for p, a in zip(ir.params, program.arguments, strict=True)]


def _wide(a: Any) -> Any:
    """An argument for Python, whose integers don't wrap: what is drawn stays below 2**60."""
    return a.astype(np.int64) if isinstance(a, np.ndarray) and a.dtype.kind in "iu" else a


def _outcome(function: Any, arguments: list[Any]) -> list[Any]:
    result = function(*arguments)
    results = result if isinstance(result, tuple) else (result,)
    return [_plain(x) for x in (*(a for a in arguments if isinstance(a, np.ndarray)), *results)]


def _plain(x: Any) -> Any:
    return np.asarray(x).tolist()
