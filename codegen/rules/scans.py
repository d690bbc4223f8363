"""The default schedule of scans: running sums, products, minima and maxima of a row, a vector at a time."""

from __future__ import annotations

from gemel.codegen.host import Host
from gemel.codegen.rules.choices import whether
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import FloatType, IntType, storage_bits
from gemel.semantics.ir import Buffer, For, Kernel, Let, LoopKind, Reduce, Stmt, Store, While
from gemel.semantics.schedule.names import loops
from gemel.semantics.schedule.schedule import Scheduled, attempt
from gemel.semantics.traverse import statements

SHORTEST = 64
"""Iterations from which on a scan in vectors pays."""


def schedule(start: Scheduled, host: Host) -> Scheduled:
    """The steps for the loops of a kernel that keep a running value and use it in each iteration."""
    s = start
    for name, buffer in _candidates(start.kernel):
        s = attempt(s, _scan, name, buffer, host)
    return s


def _candidates(kernel: Kernel) -> list[tuple[str, Buffer]]:
    """Innermost loops that begin by accumulating and go on: most are no scans, which the step finds out."""
    found = []
    for place in loops(kernel.body):
        s = place.loop
        buffer = _accumulated(s)
        if buffer is not None and _long(s) and s.kind is LoopKind.SERIAL:
            found.append((s.var.hint, buffer))
    return found


def _long(s: For) -> bool:
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    return lo is not None and hi is not None and hi - lo >= SHORTEST and step == 1 and s.until is None


def _accumulated(s: For) -> Buffer | None:
    if any(isinstance(x, For | While) for x in statements(s.body)):
        return None
    update: Stmt | None = next((x for x in s.body if not isinstance(x, Let)), None)
    if not isinstance(update, Store | Reduce) or (isinstance(update, Reduce) and s.body[-1] is update):
        return None
    return update.buffer


def _scan(s: Scheduled, name: str, buffer: Buffer, host: Host) -> Scheduled:
    if not isinstance(buffer.dtype, FloatType | IntType) or storage_bits(buffer.dtype) not in (32, 64):
        return s
    lanes, block, lane = host.vector_bits // storage_bits(buffer.dtype), f"{name}_b", f"{name}_l"
    made = s.step("split", name, lanes, block, lane, tail="cut").step("scan", buffer.hint, lane)
    made = made.step("vectorize", f"{lane}_in").step("vectorize", lane)
    return made if whether(f"{name}.scan") else s
