"""Local clean-up: constants folded, neutral operands dropped, dead names and empty loops removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gemel.semantics import build, ops
from gemel.semantics.dtypes import FloatType
from gemel.semantics.fold import Folding
from gemel.semantics.ir import Alloc, Apply, Assert, Buffer, Const, Expr, For, If, Kernel, Let, Ref, Stmt, Var, While
from gemel.semantics.ops import Op
from gemel.semantics.traverse import (
    Body,
    Copier,
    all_exprs,
    loaded,
    map_blocks,
    map_body,
    map_expr,
    map_own_exprs,
    statements,
    stored,
)


def simplify(kernel: Kernel) -> Kernel:
    """The kernel with the same meaning and fewer words."""
    body = _atoms(kernel.body)
    body = map_body(body, _simple, _statement)
    return replace(kernel, body=_alive(body))


def _same_type(e: Apply, keep: Expr) -> Expr:
    return build.convert(keep, e.dtype, e.span)


def _is(e: Expr, value: int) -> bool:
    return isinstance(e, Const) and not isinstance(e.dtype, FloatType) and e.value == value


Rule = Callable[[Apply], Expr | None]


def _neutral(right: int, both_sides: bool) -> Rule:
    """x op right = x."""

    def rule(e: Apply) -> Expr | None:
        a, b = e.args
        if _is(b, right):
            return _same_type(e, a)
        return _same_type(e, b) if both_sides and _is(a, right) else None

    return rule


def _select(e: Apply) -> Expr | None:
    cond, then, orelse = e.args
    if isinstance(cond, Const):
        return _same_type(e, then if cond.value else orelse)
    return _same_type(e, then) if then is orelse else None


def _logic(neutral: bool) -> Rule:
    def rule(e: Apply) -> Expr | None:
        a, b = e.args
        if isinstance(a, Const):
            return b if bool(a.value) == neutral else a
        return a if isinstance(b, Const) and bool(b.value) == neutral else None

    return rule


def _not(e: Apply) -> Expr | None:
    (a,) = e.args
    return a.args[0] if isinstance(a, Apply) and a.op is ops.LNOT else None


def _cast(e: Apply) -> Expr | None:
    return e.args[0] if e.args[0].dtype == e.dtype else None


RULES: dict[Op, Rule] = {
    ops.ADD: _neutral(0, True),  # x + 0 = x
    ops.SUB: _neutral(0, False),  # x - 0 = x
    ops.MUL: _neutral(1, True),  # x * 1 = x
    ops.FLOORDIV: _neutral(1, False),  # x // 1 = x
    ops.OR: _neutral(0, True),  # x | 0 = x
    ops.XOR: _neutral(0, True),  # x ^ 0 = x
    ops.SHL: _neutral(0, False),  # x << 0 = x
    ops.SHR: _neutral(0, False),  # x >> 0 = x
    ops.SELECT: _select,  # constant condition, equal sides
    ops.LAND: _logic(True),  # true and x = x
    ops.LOR: _logic(False),  # false or x = x
    ops.LNOT: _not,  # not not x = x
    ops.CAST: _cast,  # to its own type
}


def _simple(e: Expr) -> Expr:
    if not isinstance(e, Apply):
        return e
    if all(isinstance(a, Const) for a in e.args):
        return build.apply(e.op, *e.args, span=e.span, dtype=e.dtype)
    rule = RULES.get(e.op)
    return (rule(e) if rule else None) or e


def _atoms(body: Body) -> Body:
    """Names of constants and of other names are replaced by what they name."""
    values: dict[Var, Expr] = {}
    copier = Copier(vars=values)
    allocs = [s for s in statements(body) if isinstance(s, Alloc)]  # their sizes are part of the buffer: names stay
    sizes = {e.var for e in all_exprs(allocs) if isinstance(e, Ref)}

    def expr(e: Expr) -> Expr:
        return copier.vars.get(e.var, e) if isinstance(e, Ref) else _simple(e)

    def run(block: Body) -> Body:
        out: list[Stmt] = []
        for s in block:
            out.extend(_atom_statement(s, values, sizes, expr, run))
        return tuple(out)

    return run(body)


def _atom_statement(
    s: Stmt, values: dict[Var, Expr], sizes: set[Var], expr: Callable[[Expr], Expr], run: Callable[[Body], Body]
) -> Body:
    s = map_own_exprs(s, lambda e: map_expr(expr, e))
    if isinstance(s, Let) and build.is_atom(s.value):
        values[s.var] = s.value
        return (s,) if s.var in sizes else ()
    s = map_blocks(s, run)
    return (map_own_exprs(s, lambda e: map_expr(expr, e)) if isinstance(s, For | While | If) else s,)


def _statement(s: Stmt) -> Stmt | Body:
    match s:
        case If() if isinstance(s.cond, Const) and not s.merges:
            return s.then if s.cond.value else s.orelse
        case If() if not s.then and not s.orelse and not s.merges:
            return ()
        case Assert() if isinstance(s.cond, Const) and s.cond.value:
            return ()
        case For() if not s.body and not s.carry and s.until is None:
            return ()
        case For() if _trips(s) == 0 and not s.carry:
            return ()
        case For() if _trips(s) == 1 and not s.carry and s.until is None:
            return Folding(vars={s.var: s.lo}).body(s.body)
        case _:
            return s


def _trips(s: For) -> int | None:
    if not (isinstance(s.lo, Const) and isinstance(s.hi, Const) and isinstance(s.step, Const)) or not s.step.value:
        return None
    return len(range(int(s.lo.value), int(s.hi.value), int(s.step.value)))


def _alive(body: Body) -> Body:
    """Without names and buffers that nothing reads, and what is empty without these."""
    while True:
        used = {e.var for e in all_exprs(body) if isinstance(e, Ref)}
        smaller = map_body(body, stmt=partial(_drop, used, loaded(body) | stored(body)))
        if _count(smaller) == _count(body):
            return smaller
        body = smaller


def _drop(used: set[Var], kept: set[Buffer], s: Stmt) -> Stmt | Body:
    match s:
        case Let() if s.var not in used:
            return ()
        case Alloc() if s.buffer not in kept:
            return ()
        case For() if not s.body and not s.carry and s.until is None:
            return ()
        case If() if not s.then and not s.orelse and not s.merges:
            return ()
        case _:
            return s


def _count(body: Body) -> int:
    return sum(1 for _ in statements(body))
