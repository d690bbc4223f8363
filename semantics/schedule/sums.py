"""The step that sees accumulations in stores."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Apply, Expr, Kernel, Load, Reduce, Stmt, Store
from gemel.semantics.schedule.names import find, refuse, rewritten
from gemel.semantics.schedule.windows import alike
from gemel.semantics.traverse import map_body


def sums(kernel: Kernel, at: str) -> Kernel:
    """Stores of an element's old value plus or minus something, in the loop `at`, accumulate: in whatever order.

    So is what is added made of other elements of the same array: `a[i, j] -= a[i, k] * a[k, j]`. Raises ScheduleError
    where there is none, or for floats of a strict kernel.
    """
    loop = find(kernel, at).loop
    found = 0

    def seen(s: Stmt) -> Stmt:
        nonlocal found
        added = _added(s) if isinstance(s, Store) else None
        if added is None or not isinstance(s, Store):
            return s
        if kernel.strict:
            raise refuse(f"{kernel.name} is strict: the order of its sums stays", s.span, code="K02")
        found += 1
        return Reduce(ops.ADD, s.buffer, s.indices, added, s.span)

    body = map_body(loop.body, stmt=seen)
    if not found:
        raise refuse(f"no store in {at} adds to what was there", loop.span)
    return rewritten(kernel, loop, lambda s: (replace(s, body=body),))


def _added(s: Store) -> Expr | None:
    """What a store adds to the element's old value."""
    e = s.value
    if not isinstance(e, Apply) or not isinstance(e.dtype, FloatType) or e.dtype != s.buffer.dtype:
        return None
    if e.op in (ops.ADD, ops.SUB) and _is_old(e.args[0], s):
        return e.args[1] if e.op is ops.ADD else build.neg(e.args[1], e.span)
    return e.args[0] if e.op is ops.ADD and _is_old(e.args[1], s) else None


def _is_old(e: Expr, s: Store) -> bool:
    return isinstance(e, Load) and e.buffer is s.buffer and all(map(alike, e.indices, s.indices))
