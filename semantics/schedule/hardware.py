"""Steps for hardware: how often a loop begins an iteration, over how many memories an array is spread.

They change no value; a CPU runs on as before.
"""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Banking, Banks, Buffer, Kernel, LoopKind
from gemel.semantics.schedule.names import find, find_buffer, refuse, rewritten
from gemel.semantics.traverse import Copier


def pipeline(kernel: Kernel, loop: str, ii: int = 0) -> Kernel:
    """A loop as a pipeline that begins an iteration every `ii` cycles; 0: as often as it can.

    Synthesis says so where that can't be had. Raises ScheduleError for a loop that is decided otherwise.
    """
    s = find(kernel, loop).loop
    if s.kind not in (LoopKind.SERIAL, LoopKind.PIPELINE):
        raise refuse(f"{loop} is a {s.kind.value} loop already", s.span, "pipeline a loop that has no kind yet")
    if isinstance(ii, bool) or not isinstance(ii, int) or ii < 0:
        raise refuse(
            f"an iteration of {loop} can't begin every {ii!r} cycles", s.span, "an int from 1; 0 for the least"
        )
    return rewritten(kernel, s, lambda x: (replace(x, kind=LoopKind.PIPELINE, every=ii),))


def partition(kernel: Kernel, buffer: str, axis: int, count: int = 0, kind: str = "cyclic") -> Kernel:
    """An array spread over `count` memories along an axis.

    Cyclic: every `count`-th element shares one; block: neighbours do; complete: each has its own. Raises ScheduleError
    for an axis that isn't there or is spread already, and for a count that doesn't fit.
    """
    b = find_buffer(kernel, buffer)
    kinds = [k.value for k in Banking if k is not Banking.SKEWED]
    if kind not in kinds:
        raise refuse(f"{buffer} can't be partitioned {kind!r}", b.span, f"one of: {', '.join(kinds)}")
    if isinstance(axis, bool) or not isinstance(axis, int) or not 0 <= axis < b.rank:
        raise refuse(f"{buffer} has no axis {axis!r}", b.span, f"axes from 0 to {b.rank - 1}" if b.rank else "")
    if any(k.axis == axis for k in b.banks):
        raise refuse(f"axis {axis} of {buffer} is partitioned already", b.span)
    made = replace(b, banks=(*b.banks, Banks(axis, _count(b, axis, count, kind), Banking(kind))))
    return _with_buffer(kernel, b, made)


def _count(b: Buffer, axis: int, count: int, kind: str) -> int:
    size = value_of(b.shape[axis], {})
    if kind == Banking.COMPLETE.value and count == 0 and size:
        return size
    fits = isinstance(count, int) and not isinstance(count, bool) and count >= 2 and (size is None or count <= size)
    if not fits or (kind == Banking.COMPLETE.value and count != size):
        what = f"axis {axis} of {b.hint}" + ("" if size is None else f", which has {size} elements,")
        raise refuse(f"{what} can't be spread over {count!r} memories", b.span, "2 to as many as it has elements")
    return count


def _with_buffer(kernel: Kernel, old: Buffer, new: Buffer) -> Kernel:
    copier = _Replacing(old, new)
    params = tuple(new if p is old else p for p in kernel.params)
    results = tuple(new if p is old else p for p in kernel.results)
    return replace(kernel, params=params, results=results, body=copier.body(kernel.body))


class _Replacing(Copier):
    """A copier that puts a buffer in the place of another one."""

    def __init__(self, old: Buffer, new: Buffer) -> None:
        super().__init__(buffers={old: new})
        self.old, self.new = old, new

    def fresh_buffer(self, b: Buffer) -> Buffer:
        if b is not self.old:
            return super().fresh_buffer(b)
        self.buffers[b] = self.new
        return self.new
