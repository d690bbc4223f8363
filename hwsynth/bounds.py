"""Loop bounds in terms of loop variables, not of names for sums of them: control computes them by itself then."""

from __future__ import annotations

from dataclasses import replace

from gemel.hwsynth.evaluate import is_simple
from gemel.semantics.ir import Expr, For, Kernel, Let, Ref, Stmt, Var
from gemel.semantics.traverse import Body, exprs_of, map_body, map_expr, statements, subexprs


def bounds(kernel: Kernel) -> Kernel:
    """The promoted kernel with bounds spelled out; names that only bounds have used are gone."""
    counters = frozenset(s.var for s in statements(kernel.body) if isinstance(s, For))
    sums: dict[Var, Expr] = {}
    for s in statements(kernel.body):
        if isinstance(s, Let):
            value = _spelled(s.value, sums)
            if is_simple(value, counters):
                sums[s.var] = value

    def stmt(s: Stmt) -> Stmt:
        if not isinstance(s, For):
            return s
        lo, hi = (b if is_simple(b := _spelled(e, sums), counters) else e for e in (s.lo, s.hi))
        return replace(s, lo=lo, hi=hi)

    body = map_body(kernel.body, stmt=stmt)
    return replace(kernel, body=_without_unused(body, set(sums)))


def _spelled(e: Expr, sums: dict[Var, Expr]) -> Expr:
    return map_expr(lambda x: sums.get(x.var, x) if isinstance(x, Ref) else x, e)


def _without_unused(body: Body, names: set[Var]) -> Body:
    used = {x.var for s in statements(body) for e in exprs_of(s) for x in subexprs(e) if isinstance(x, Ref)}

    def stmt(s: Stmt) -> Stmt | Body:
        return () if isinstance(s, Let) and s.var in names - used else s

    return map_body(body, stmt=stmt)
