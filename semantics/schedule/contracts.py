"""What a kernel requires of arrays as a result of its own, so that it can be compared like any other."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.dtypes import UInt
from gemel.semantics.ir import Assert, Buffer, Check, Const, For, Kernel, Let, Reduce, Stmt, Store
from gemel.semantics.traverse import map_body


def with_contract(k: Kernel) -> Kernel:
    """The kernel with one more result: whether the loops of `requires` at its top hold; it goes on if they don't."""
    if not any(isinstance(s, For) and _stated(s) for s in k.body):
        return k
    holds = Buffer("requires", UInt(1), (), k.span)

    def noted(s: Stmt) -> Stmt:
        if not isinstance(s, Assert):
            return s
        return Reduce(ops.AND, holds, (), build.apply(ops.CAST, s.cond, span=s.span, dtype=UInt(1)), s.span)

    loops = [s for s in k.body if isinstance(s, For) and _stated(s)]
    rest = tuple(s for s in k.body if s not in loops)
    first = Store(holds, (), Const(1, UInt(1), k.span), k.span)
    return replace(k, results=(*k.results, holds), body=(first, *map_body(tuple(loops), stmt=noted), *rest))


def _stated(s: Stmt) -> bool:
    """Whether a statement does nothing but state what callers must ensure."""
    if isinstance(s, For):
        return s.until is None and all(map(_stated, s.body)) and any(not isinstance(x, Let) for x in s.body)
    return isinstance(s, Let) or (isinstance(s, Assert) and s.check is Check.REQUIRES)
