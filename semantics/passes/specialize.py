"""Sizes become constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gemel.semantics import build
from gemel.semantics.errors import ArgumentError
from gemel.semantics.ir import Apply, Buffer, Const, Expr, Kernel
from gemel.semantics.traverse import Copier, map_expr


def specialize(kernel: Kernel, sizes: Mapping[str, int]) -> Kernel:
    """The kernel with the named dims at given values, in shapes and everywhere else.

    Raises ArgumentError for a name that is no dim of the kernel.
    """
    by_name = {d.hint: d for d in kernel.dims}
    for name in sizes:
        if name not in by_name:
            known = ", ".join(by_name) or "none"
            raise ArgumentError(
                f"{kernel.name} has no size {name}", code="A08", span=kernel.span, mend=f"it has: {known}"
            )
    copier = Folding(vars={by_name[name]: build.index(value, kernel.span) for name, value in sizes.items()})
    params = tuple(copier.fresh_buffer(p) if isinstance(p, Buffer) else p for p in kernel.params)
    results = tuple(map(copier.fresh_buffer, kernel.results))
    body = copier.body(kernel.body)
    return replace(
        kernel,
        dims=tuple(d for d in kernel.dims if d.hint not in sizes),
        params=params,
        results=results,
        body=body,
    )


class Folding(Copier):
    """A copier that also folds what the sizes make constant."""

    def expr(self, e: Expr) -> Expr:
        """The expression with sizes put in and folded."""
        return map_expr(_fold, super().expr(e))


def _fold(e: Expr) -> Expr:
    if isinstance(e, Apply) and all(isinstance(a, Const) for a in e.args):
        return build.apply(e.op, *e.args, span=e.span, dtype=e.dtype)
    return e
