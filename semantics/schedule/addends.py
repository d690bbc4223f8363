"""The step that takes sums apart which are accumulated."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import FloatType
from gemel.semantics.ir import Apply, Expr, Kernel, Reduce, Stmt
from gemel.semantics.schedule.depend import each_its_own
from gemel.semantics.schedule.names import find, refuse, rewritten
from gemel.semantics.traverse import Body, map_body, statements


def terms(kernel: Kernel, at: str) -> Kernel:
    """Sums that are accumulated in the loop `at` are accumulated term by term: `c += a + b` as `c += a` and `c += b`.

    Another order of the sum. Raises ScheduleError where there is none, or for floats of a strict kernel.
    """
    loop = find(kernel, at).loop
    sums = [s for s in statements(loop.body) if isinstance(s, Reduce) and _is_sum(s)]
    if not sums:
        raise refuse(f"no sum is accumulated in {at}", loop.span)
    if kernel.strict and any(isinstance(s.buffer.dtype, FloatType) for s in sums):
        raise refuse(f"{kernel.name} is strict: the order of its sums stays", loop.span, code="K02")
    each_its_own(kernel, sums)

    def apart(s: Stmt) -> Stmt | Body:
        if not any(s is x for x in sums) or not isinstance(s, Reduce):
            return s
        return tuple(replace(s, value=build.convert(e, s.value.dtype)) for e in _terms(s.value))

    return rewritten(kernel, loop, lambda s: (replace(s, body=map_body(s.body, stmt=apart)),))


def _is_sum(s: Reduce) -> bool:
    return s.op is ops.ADD and len(_terms(s.value)) > 1


def _terms(e: Expr) -> list[Expr]:
    if not isinstance(e, Apply) or not isinstance(e.dtype, FloatType) or e.op not in (ops.ADD, ops.SUB):
        return [e]
    a, b = e.args
    second = _terms(b)
    return [*_terms(a), *(second if e.op is ops.ADD else [build.neg(x, x.span) for x in second])]
