"""What an object depends on: the kernel, the compiler, this machine. None of it needs LLVM to be loaded."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import gemel.semantics
from gemel.codegen import cache as kept
from gemel.codegen import threads
from gemel.codegen.host import caches

if TYPE_CHECKING:
    from gemel.semantics.ir import Kernel

CPU = Path("/proc/cpuinfo")
FACTS = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU ", "isa", "uarch")
"""The lines of CPU that say what a processor can do."""

WATCHED = ("GEMEL_DUMP", "GEMEL_STOP_AFTER", "GEMEL_VERIFY")
"""Who sets one of these wants to see the passes run."""


def of_text(text: str, *how: object) -> str:
    """The key of what is made of LLVM IR in some way."""
    return kept.key("text", text, repr(how), compiler(), machine())


def of_kernel(kernel: Kernel, steps: str = "") -> str | None:
    """The key of the code of a source-level kernel, scheduled by these steps or by default; None where it is not to be
    kept."""
    if any(map(os.environ.get, WATCHED)):
        return None
    flags = f"{kernel.guarded}{kernel.scheduled}"
    return kept.key("kernel", *content(kernel), flags, steps, str(threads.count()), compiler(), machine())


def content(kernel: Kernel) -> list[str]:
    """What a source-level kernel says: its text, and what this leaves out. Whether it is guarded isn't part of it."""
    from gemel.codegen import tables
    from gemel.semantics.text import print_kernel

    return [print_kernel(kernel, tables.shown), *_unsaid(kernel)]


def of_call(*what: str) -> str | None:
    """The key of the native entry of a kernel that `what` tells from all others; None where it is not to be kept."""
    if any(map(os.environ.get, WATCHED)):
        return None
    return kept.key("call", *what, np.__version__, str(threads.count()), front_end(), compiler(), machine())


def _unsaid(kernel: Kernel) -> Iterator[str]:
    """What the text of a kernel doesn't say and its code may depend on: strictness, and names as they were given."""
    from gemel.semantics.ir import Alloc, Call, For, Let, Store
    from gemel.semantics.text import print_expr
    from gemel.semantics.traverse import statements

    yield str(kernel.strict)
    for b in (*kernel.params, *kernel.results):
        yield b.hint
    for s in statements(kernel.body):
        match s:
            case Alloc():
                yield f"{s.buffer.hint} {s.filled}"
            case Let():
                yield s.var.hint
            case For():
                yield f"{s.var.hint} {' '.join(map(print_expr, s.ahead))}"
            case Store():
                yield str(s.streams)
            case Call():
                yield f"{s.kernel.guarded}{s.kernel.scheduled}"
                yield from _unsaid(s.kernel)
            case _:
                pass


@cache
def front_end() -> str:
    """Which Gemel traces a kernel: the files as they are."""
    return "\n".join(files(os.path.dirname(gemel.__file__), nested=False))


@cache
def compiler() -> str:
    """Which Gemel and which LLVM: versions, and the files as they are, so that a change to either is noticed."""
    folders = [os.path.dirname(gemel.semantics.__file__), os.path.dirname(__file__)]
    found = find_spec("llvmlite")
    if found is not None and found.origin is not None:
        folders.append(os.path.join(os.path.dirname(found.origin), "binding"))
    return "\n".join([sys.version, *(line for folder in folders for line in files(folder))])


def files(folder: str, nested: bool = True) -> Iterator[str]:
    """Path, size and time of each source and library in a folder."""
    with os.scandir(folder) as found:
        inside = sorted(found, key=lambda f: f.name)
    for one in inside:
        if one.name.endswith((".py", ".toml", ".so", ".dylib", ".dll")):
            facts = one.stat()
            yield f"{one.path} {facts.st_size} {facts.st_mtime_ns}"
        elif nested and one.is_dir() and one.name not in ("__pycache__", "tests"):
            yield from files(one.path)


@cache
def machine() -> str:
    """What code for this CPU depends on: what it can do, and the caches that schedules fill."""
    facts = [platform.system(), platform.machine(), str(caches())]
    try:
        with CPU.open() as file:
            for line in file:
                if not line.strip():
                    break
                if line.startswith(FACTS):
                    facts.append(line)
    except OSError:
        from gemel.codegen.cpu import native

        facts += native()
    return "\n".join(facts)
