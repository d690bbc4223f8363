"""Copies in which what became constant is folded."""

from __future__ import annotations

from gemel.semantics import build
from gemel.semantics.ir import Apply, Const, Expr
from gemel.semantics.traverse import Copier, map_expr


class Folding(Copier):
    """A copier that also folds ops on constants."""

    def expr(self, e: Expr) -> Expr:
        """The expression with substitutions made, and folded."""
        return map_expr(fold, super().expr(e))


def fold(e: Expr) -> Expr:
    """An op on constants as the constant that it gives."""
    if isinstance(e, Apply) and all(isinstance(a, Const) for a in e.args):
        return build.apply(e.op, *e.args, span=e.span, dtype=e.dtype)
    return e
