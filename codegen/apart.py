"""Parallel loops that threads may share: iterations that are known to keep apart; the others run in one thread."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.ir import For, Kernel, LoopKind
from gemel.semantics.schedule.depend import Dependences, locals_of
from gemel.semantics.schedule.names import Found, loops, rewritten


def apart(kernel: Kernel) -> Kernel:
    """The kernel with parallel loops made serial where two iterations may touch an element that one of them changes.

    Accumulations count: threads would lose some.
    """
    for found in list(loops(kernel.body)):
        if found.loop.kind is LoopKind.PARALLEL and not keeps_apart(kernel, found):
            kernel = rewritten(kernel, found.loop, _serial)
    return kernel


def _serial(s: For) -> tuple[For, ...]:
    return (replace(s, kind=LoopKind.SERIAL),)


def keeps_apart(kernel: Kernel, found: Found) -> bool:
    """Whether no two iterations of a loop touch an element that one of them changes, as far as bounds show."""
    known, v = Dependences(kernel, found), found.loop.var
    local = locals_of(found.loop.body)
    for a in known.accesses:
        for b in known.accesses:
            if a.buffer is b.buffer and a.buffer not in local and (a.writes or b.writes):
                bounds = known.distances(a, b, [v])
                if bounds is not None and bounds[v] != (0, 0):
                    return False
    return True
