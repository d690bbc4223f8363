"""A call of a kernel in another kernel: the IR keeps it as a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gemel import broadcasting, tensors
from gemel.passing import passed, solved
from gemel.semantics import ir as irs
from gemel.semantics.errors import ArgumentError, counted
from gemel.semantics.traverse import Copier
from gemel.traced import Value
from gemel.tracer import here, tracer

if TYPE_CHECKING:
    from gemel.kernel import Kernel


def call(kernel: Kernel, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """A call in another kernel: the IR keeps it as a call."""
    statics, values = kernel._split(args, kwargs)
    callee, span = kernel._ir_at(kernel._statics(statics)), here()
    if len(values) != len(callee.params):
        raise ArgumentError(f"{callee.name} takes {counted(len(callee.params), 'argument')}", code="A01", span=span)
    given = [passed(p, v, callee, span) for p, v in zip(callee.params, values, strict=True)]
    dims = solved(callee, given, span)
    copier = Copier(vars=dict(zip(callee.dims, dims, strict=True)))
    results = []
    for b in callee.results:
        shape = broadcasting.settled_shape([copier.expr(s) for s in b.shape])
        results.append(irs.Buffer(b.hint, b.dtype, shape, span))
        tracer().emit(irs.Alloc(results[-1], span))
    tracer().emit(irs.Call(callee, dims, tuple(given), tuple(results), span))
    made = tuple(tensors.of_buffer(b) if b.rank else Value(irs.Load(b, (), span)) for b in results)
    return None if not made else made[0] if len(made) == 1 else made
