"""Steps that change how products are summed."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Apply, Kernel, Load, Reduce, Stmt, Store
from gemel.semantics.schedule.depend import each_its_own
from gemel.semantics.schedule.names import find, refuse, rewritten
from gemel.semantics.traverse import map_body, statements


def contract(kernel: Kernel, at: str) -> Kernel:
    """Sums of products in the loop `at` round once, not twice: `a * b + c` becomes `fma(a, b, c)`.

    Raises ScheduleError in a strict kernel, where roundings stay as they are.
    """
    found = find(kernel, at)
    if kernel.strict:
        raise refuse(f"{kernel.name} is strict: its roundings stay", found.loop.span, code="K02")

    each_its_own(kernel, [s for s in statements(found.loop.body) if isinstance(s, Reduce)])

    def fused(s: Stmt) -> Stmt:
        product = s.value if isinstance(s, Reduce) and s.op is ops.ADD else None
        if not isinstance(product, Apply) or product.op is not ops.MUL or not isinstance(product.dtype, FloatType):
            return s
        if not isinstance(s, Reduce) or product.dtype != s.buffer.dtype:
            return s
        old = Load(s.buffer, s.indices, s.span)
        return Store(s.buffer, s.indices, build.apply(ops.FMA, *product.args, old, span=s.span), s.span)

    return rewritten(kernel, found.loop, lambda s: (replace(s, body=map_body(s.body, stmt=fused)),))
