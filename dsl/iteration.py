"""What loops that run while tracing go through, and names that get a tuple's items."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from gemel import arith, indexing, mistakes
from gemel.scope import Frame
from gemel.semantics.errors import TraceError
from gemel.semantics.span import Span
from gemel.tensors import Tensor
from gemel.traced import Traced
from gemel.tracer import tracer


def iterate(items: Any, span: Span) -> Iterator[Any]:
    """The items of a loop that runs while tracing.

    Raises TraceError where their number isn't known.
    """
    if isinstance(items, Range):
        items = items.static(span)
    if isinstance(items, Tensor):
        items = [indexing.subscript(items, i, span) for i in range(arith.len_of(items))]
    if isinstance(items, Traced) or not hasattr(items, "__iter__"):
        raise TraceError(f"a loop over {type(items).__name__}", code="P02", span=span, mend="loop over range(...)")
    for item in items:
        tracer().step(span, "use range() or gm.grid() in a `for`, without gm.unroll: that is a loop of the kernel")
        yield item


class Range:
    """What `range(...)` gives in a kernel: a loop of the kernel in `for`, unrolled in comprehensions."""

    def __init__(self, *args: Any) -> None:
        lo, hi, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
        self.lo, self.hi, self.step = lo, hi, step

    def static(self, span: Span) -> range:
        """The Python range.

        Raises TraceError where the bounds aren't known.
        """
        bounds = (self.lo, self.hi, self.step)
        if any(isinstance(b, Traced) for b in bounds):
            raise TraceError(
                "range() with bounds that aren't known while tracing",
                code="P06",
                span=span,
                mend="loop over it with a `for` statement",
            )
        return range(*(int(b) for b in bounds))

    def __reversed__(self) -> Range:
        lo, hi, step = self.lo, self.hi, self.step
        if isinstance(step, Traced) or not step:
            raise TraceError("reversed() of a range whose step isn't known", code="P06", span=tracer().span)
        sign = 1 if step > 0 else -1
        turns = (hi - lo - 1) // step if step > 0 else (lo - hi - 1) // -step
        return Range(lo + turns * step, lo - sign, -step)

    def __iter__(self) -> Iterator[int]:
        return iter(self.static(tracer().span))

    def __len__(self) -> int:
        return len(self.static(tracer().span))


def bind_target(target: ast.expr, value: Any, frame: Frame) -> None:
    """Binds a name or a tuple of names, without variables of the kernel."""
    if isinstance(target, ast.Name):
        frame.locals[target.id] = value
        return
    if isinstance(target, ast.Tuple | ast.List):
        for t, v in zip(target.elts, unpack(value, target.elts, frame.span(target)), strict=True):
            bind_target(t, v, frame)
        return
    raise TraceError("this target in a comprehension", code="P02", span=frame.span(target))


def unpack(value: Any, targets: list[ast.expr], span: Span) -> list[Any]:
    """The items of a tuple assignment.

    Raises TraceError where their number differs.
    """
    if any(isinstance(t, ast.Starred) for t in targets):
        mistakes.stop("a starred target", "name each element", span)
    items = list(iterate(value, span))
    if len(items) != len(targets):
        raise TraceError(
            f"{len(items)} values for {len(targets)} names", code="P12", span=span, mend=f"write {len(items)} names"
        )
    return items
