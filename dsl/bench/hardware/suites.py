"""Kernels of the suites as hardware, in a checkout: PolyBench at MINI size in i32 and f32, MachSuite at its own sizes.

The suites' kernels are in f64. Their sources are read again with another type in its place. What means nothing in
integers is told as refused.
"""

from __future__ import annotations

import linecache
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from gemel.bench.catalogue import cases_of, suites_here
from gemel.bench.hardware.cases import SEED, Arguments, Case, floats, tables
from gemel.bench.hardware.retyped import REFUSED, in_integers

if TYPE_CHECKING:
    from gemel.kernel import Kernel

SCALE = 1000
"""What floats of the inputs are multiplied by where they become integers."""


def every() -> list[Case]:
    """All kernels: those of the tables and of the suites."""
    return [*tables(), *suites()]


def layers() -> Iterator[Case]:
    """Layers of the standard library in f32, which have sums whose order is the hardware's to choose."""
    from gemel.stdlib import nn

    yield Case("layers", "softmax 4x16", lambda: nn.softmax, partial(floats, (4, 16)))
    yield Case("layers", "layer_norm 4x16", lambda: nn.layer_norm, lambda: (*floats((4, 16), 16, 16), np.float32(1e-5)))


def suites() -> Iterator[Case]:
    """The suites' kernels; none outside of a checkout."""
    folder = suites_here()
    if folder:
        for kind in ("i32", "f32"):
            yield from _polybench(folder, kind)
        yield from _machsuite(folder)


def _polybench(folder: str, kind: str) -> Iterator[Case]:
    known = cases_of(Path(folder), "polybench")
    for name, sizes in _sizes(folder).items():
        c = known[name]
        given = partial(_inputs, c, sizes, kind)
        refused = REFUSED.get(name, "") if kind == "i32" else ""
        yield Case(f"polybench-{kind}", name, partial(retyped, c.kernel, kind), given, large=True, refused=refused)


def _machsuite(folder: str) -> Iterator[Case]:
    for c in cases_of(Path(folder), "machsuite").values():
        yield Case("machsuite", c.name, partial(_kernel, c), partial(_inputs, c, c.small, ""), large=True)


def tiny() -> Iterator[Case]:
    """MachSuite's kernels that have sizes, at small ones, which their names say; none outside of a checkout."""
    folder = suites_here()
    for c in cases_of(Path(folder), "machsuite").values() if folder else ():
        if c.tiny:
            sizes = ", ".join(f"{n} = {size}" for n, size in c.tiny.items())
            given = partial(_inputs, c, c.tiny, "")
            yield Case("machsuite-tiny", f"{c.name}, {sizes}", partial(_kernel, c), given, large=True)


def _kernel(c: Any) -> Kernel:
    return c.kernel  # type: ignore[no-any-return]


@cache
def _sizes(folder: str) -> Mapping[str, Any]:
    return tomllib.loads((Path(folder) / "suites" / "mini.toml").read_text(encoding="utf-8"))


def _inputs(c: Any, sizes: Mapping[str, int], kind: str) -> Arguments:
    return tuple(_converted(a, kind) for a in c.inputs(np.random.default_rng(SEED), **sizes))


def _converted(a: Any, kind: str) -> Any:
    if not kind or (not isinstance(a, float | np.floating) and getattr(a, "dtype", np.dtype(int)).kind != "f"):
        return a
    if kind == "f32":
        return a.astype(np.float32) if isinstance(a, np.ndarray) else float(a)
    return np.rint(SCALE * a).astype(np.int32) if isinstance(a, np.ndarray) else round(a)


# --------------------------------------------------------------------------------------------------------------- types


def retyped(kernel: Kernel, kind: str) -> Kernel:
    """A suite's kernel with `kind` where its source says f64."""
    made = _module(kernel.fn.__module__, kind)
    return getattr(made, kernel.__name__)  # type: ignore[no-any-return]


@cache
def _module(name: str, kind: str) -> ModuleType:
    """A module of a suite, read again; tracebacks and the tracer find its text under a name of its own."""
    path = Path(str(sys.modules[name].__file__))
    source = path.read_text(encoding="utf-8")
    text = re.sub(r"\bf64\b", kind, source) if kind[0] == "f" else in_integers(source, kind)
    called = f"<{kind} in {path.name}>"
    linecache.cache[called] = (len(text), None, text.splitlines(keepends=True), called)
    made = ModuleType(f"{name}_{kind}")
    made.__file__ = called
    sys.modules[made.__name__] = made
    exec(compile(text, called, "exec"), made.__dict__)
    return made
