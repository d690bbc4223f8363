"""Steps that change how products are summed: rounded once, several in one statement, with an unsigned factor."""

from __future__ import annotations

from dataclasses import replace

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import F32, FloatType, IntType
from gemel.semantics.fold import Folding, fold
from gemel.semantics.ir import Apply, Const, Expr, For, If, Kernel, Load, Reduce, Ref, Stmt, Store
from gemel.semantics.schedule.depend import each_its_own
from gemel.semantics.schedule.names import ending, find, refuse, rewritten
from gemel.semantics.schedule.windows import alike, conjuncts, uses, variables, zero
from gemel.semantics.traverse import exprs_of, map_body, statements, subexprs

MOST = 8
"""Products that one statement may sum."""


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


# ----------------------------------------------------------------------------------------------------------------- dot


def dot(kernel: Kernel, loop: str) -> Kernel:
    """The products that a short loop sums, in one statement: what a CPU's dot product instructions do.

    Of integers the result is the same. Two products of f32 become `fma_flush` of the second one, then of the first
    one: subnormal numbers count as zero. Raises ScheduleError where the loop does something else, and in a strict
    kernel for floats.
    """
    s = find(kernel, loop).loop
    count, cond, r = _summed(s)
    if isinstance(r.buffer.dtype, IntType):
        made: Stmt = _whole(kernel, s, cond, r, count)
    elif r.buffer.dtype == F32 and count == 2 and not kernel.strict:
        each_its_own(kernel, [r])
        made = _flushing(kernel, s, cond, r)
    else:
        raise refuse(f"{loop} sums {count} products of {r.buffer.dtype}", s.span, "integers, or two products of f32")
    return rewritten(kernel, s, lambda _: (made,))


def _summed(s: For) -> tuple[int, Expr | None, Reduce]:
    """The iterations of a loop that only sums, the condition for that, and the accumulation."""
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    inner = ending(s.body)
    cond: Expr | None = None
    if isinstance(inner, If) and not inner.orelse and len(inner.then) == 1:
        cond, inner = inner.cond, inner.then[0]
    plain = (lo, step) == (0, 1) and hi is not None and 2 <= hi <= MOST and s.until is None and len(s.body) == 1
    if not plain or not isinstance(inner, Reduce) or inner.op is not ops.ADD or hi is None:
        raise refuse(f"{s.var.hint} is no loop of 2 to {MOST} iterations that only sums", s.span)
    if any(isinstance(x, Load) and x.buffer is inner.buffer for e in exprs_of(inner) for x in subexprs(e)):
        raise refuse(f"what {s.var.hint} sums depends on the sum", s.span, code="K02")
    if cond is not None and any(isinstance(x, Load) for x in subexprs(cond)):
        raise refuse(f"the condition in {s.var.hint} reads memory", s.span, code="K02")
    if any(s.var in variables(i) for i in inner.indices):
        raise refuse(f"each iteration of {s.var.hint} has an element of its own", s.span, code="K02")
    return hi, cond, inner


def _at(s: For, e: Expr, n: int) -> Expr:
    """An expression in iteration n."""
    return Folding(vars={s.var: build.index(n, s.span)}).expr(e)


def _whole(kernel: Kernel, s: For, cond: Expr | None, r: Reduce, count: int) -> Stmt:
    """One accumulation of the exact sum: it wraps as one after the other would."""
    value, dtype = r.value, r.buffer.dtype
    if isinstance(value, Apply) and value.op in ops.NARROWING and isinstance(value.args[0].dtype, IntType):
        value = value.args[0] if value.dtype == dtype else value
    if cond is not None and not any(_padded(kernel, f, cond) for f in _factors(value)):
        value = build.apply(ops.SELECT, cond, value, zero(value.dtype, s.span), span=s.span)
    total = _at(s, value, 0)
    for n in range(1, count):
        total = build.apply(ops.ADD, total, _at(s, value, n), span=r.span)
    return replace(r, value=build.convert(total, dtype, r.span))


def _flushing(kernel: Kernel, s: For, cond: Expr | None, r: Reduce) -> Stmt:
    factors = _factors(r.value)
    if len(factors) != 2:
        raise refuse(f"{s.var.hint} doesn't sum products", s.span)
    if cond is not None:
        factors = [f if _padded(kernel, f, cond) else _chosen(cond, f) for f in factors]
    total: Expr = Load(r.buffer, r.indices, r.span)
    for n in (1, 0):
        total = build.apply(ops.FMA_FLUSH, *(_at(s, f, n) for f in factors), total, span=r.span)
    return Store(r.buffer, r.indices, total, r.span)


def _chosen(cond: Expr, e: Expr) -> Expr:
    return build.apply(ops.SELECT, cond, e, zero(e.dtype, e.span), span=e.span)


def _factors(e: Expr) -> list[Expr]:
    return list(e.args) if isinstance(e, Apply) and e.op is ops.MUL else []


def _padded(kernel: Kernel, e: Expr, cond: Expr) -> bool:
    """Whether a factor is zero where a condition doesn't hold: it is of a local array that was filled so."""
    while isinstance(e, Apply) and e.op is ops.CAST:
        e = e.args[0]
    if not isinstance(e, Load):
        return False
    fills = [u.stmt for u in uses(kernel.body, e.buffer) if isinstance(u.stmt, Store) and u.stmt.buffer is e.buffer]
    return len(fills) == 1 and _fills_zero(fills[0], e, cond)


def _fills_zero(fill: Stmt, e: Load, cond: Expr) -> bool:
    if not isinstance(fill, Store) or not isinstance(fill.value, Apply) or fill.value.op is not ops.SELECT:
        return False
    when, _, other = fill.value.args
    own = [i.var for i in fill.indices if isinstance(i, Ref)]
    if not isinstance(other, Const) or other.value or len(own) != len(e.indices):
        return False
    there = Folding(vars=dict(zip(own, e.indices, strict=True)))
    known = [there.expr(c) for c in conjuncts(when)]
    return all(any(alike(fold(c), k) for k in known) for c in conjuncts(cond))
