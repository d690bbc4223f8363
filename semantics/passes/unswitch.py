"""Choices that are the same in all iterations of a loop are made before it: one loop for each answer.

Of `select(a and b, x, y)` in a loop of which only `b` changes, `a` is asked once: the other loop has `y` at once.
"""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Apply, Const, Expr, For, If, Kernel, Load, LoopKind, Ref, Stmt, Store, Var
from gemel.semantics.schedule.windows import alike, conjuncts
from gemel.semantics.traverse import map_body, subexprs

MOST = 16
"""Statements of a loop that may be there twice."""


def unswitch(kernel: Kernel) -> Kernel:
    """The kernel with choices outside of the loops that they don't depend on."""
    return replace(kernel, body=map_body(kernel.body, stmt=_unswitched))


def _unswitched(s: Stmt) -> Stmt:
    if not isinstance(s, For) or s.until is not None or s.carry or s.kind is LoopKind.PARALLEL or len(s.body) > MOST:
        return s
    if len(s.body) == 1 and isinstance(s.body[0], If) and not s.body[0].merges and _stays(s.body[0].cond, s.var):
        return _apart(s, s.body[0])
    if not all(isinstance(x, Store) for x in s.body):
        return s
    cond = next((c for x in s.body if isinstance(x, Store) for c in _choices(x.value, s.var)), None)
    return s if cond is None else _twice(s, cond)


def _stays(cond: Expr, v: Var) -> bool:
    """Whether a condition is the same in all iterations, as its form shows."""
    return not any(isinstance(x, Load) or (isinstance(x, Ref) and x.var is v) for x in subexprs(cond))


def _apart(s: For, inner: If) -> If:
    """A loop that only branches, as a branch with a loop in each side."""
    then = replace(s, body=inner.then)
    other = (Folding().stmt(replace(s, body=inner.orelse)),) if inner.orelse else ()
    return replace(inner, then=(_unswitched(then),), orelse=tuple(map(_unswitched, other)))


def _choices(e: Expr, v: Var) -> list[Expr]:
    """The parts of conditions of choices in an expression that stay."""
    conds = [x.args[0] for x in subexprs(e) if isinstance(x, Apply) and x.op is ops.SELECT]
    return [c for cond in conds for c in conjuncts(cond) if _stays(c, v) and not isinstance(c, Const)]


def _twice(s: For, cond: Expr) -> If:
    """A branch with the loop for each answer."""
    sides = [map_body(s.body, expr=lambda e, t=truth: _known(e, cond, t)) for truth in (True, False)]  # type: ignore[misc]
    then, other = (replace(s, body=side) for side in sides)
    return If(cond, (_unswitched(then),), (_unswitched(Folding().stmt(other)),), s.span)


def _known(e: Expr, cond: Expr, truth: bool) -> Expr:
    """A choice where a part of its condition is known."""
    if not isinstance(e, Apply) or e.op is not ops.SELECT:
        return e
    parts = conjuncts(e.args[0])
    rest = [c for c in parts if not alike(c, cond)]
    if len(rest) == len(parts):
        return e
    if not rest or not truth:
        return build.convert(e.args[1 if truth else 2], e.dtype, e.span)
    left = rest[0]
    for c in rest[1:]:
        left = build.both(left, c, e.span)
    return replace(e, args=(left, *e.args[1:]))
