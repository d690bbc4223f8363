"""For programs without a runtime of ours: what depends on constants alone is computed now, and becomes tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gemel.codegen.once import steady
from gemel.semantics.ir import Alloc, Buffer, Expr, Kernel, Load, Stmt
from gemel.semantics.storage import Array, aligned
from gemel.semantics.traverse import Body, loaded, map_body

Compute = Callable[[Kernel], list[Array]]
"""Runs a kernel without parameters on this machine; gives its results."""


@dataclass(frozen=True)
class Folded:
    """The pass; its option is who computes."""

    compute: Compute

    def __call__(self, kernel: Kernel) -> Kernel:
        return folded(kernel, self.compute)


def folded(kernel: Kernel, compute: Compute) -> Kernel:
    """The kernel with its steady arrays as tables, and without tables that nothing loads any more."""
    settled = steady(kernel.body)
    if not settled:
        return kernel
    fixed = {b: _table(b, data) for b, data in _computed(kernel, settled, compute).items()}

    def load(e: Expr) -> Expr:
        return Load(fixed[e.buffer], e.indices, e.span) if isinstance(e, Load) and e.buffer in fixed else e

    rest = map_body(tuple(s for s in kernel.body if s not in settled), load)
    used = loaded(rest)
    made = [Alloc(b, b.span) for b in fixed.values() if b in used]
    return replace(kernel, body=(*made, *(s for s in rest if not (isinstance(s, Alloc) and _idle(s.buffer, used)))))


def _idle(b: Buffer, used: set[Buffer]) -> bool:
    return b.data is not None and b not in used


def _computed(kernel: Kernel, settled: set[Stmt], compute: Compute) -> dict[Buffer, Array]:
    """The elements of the steady arrays."""
    arrays = [s.buffer for s in kernel.body if s in settled and isinstance(s, Alloc)]
    own: Body = tuple(s for s in kernel.body if _fills(s, settled))
    setup = replace(kernel, params=(), results=tuple(arrays), body=own, scheduled=True, guarded=True)
    return dict(zip(arrays, compute(setup), strict=True))


def _fills(s: Stmt, settled: set[Stmt]) -> bool:
    """Whether a statement makes a table, or fills a steady array."""
    return s.buffer.data is not None if isinstance(s, Alloc) else s in settled


def _table(b: Buffer, values: Array) -> Buffer:
    data = aligned(values.shape, values.dtype)
    data[...] = np.asarray(values)
    data.flags.writeable = False
    return Buffer(b.hint, b.dtype, b.shape, b.span, data)
