"""Buffers of rank 0 become values that loops and branches carry: structured SSA.

The construction is by abstract execution: a map from each promoted buffer to the expression of its present value. A
branch merges what its two sides changed; a loop carries what its body changes. A result of rank 0 keeps its buffer
and is stored once, at the end. A variable that is read before it is set has the value 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemel.semantics import build
from gemel.semantics.dtypes import BOOL, DType, FloatType
from gemel.semantics.ir import (
    Alloc,
    Buffer,
    Carry,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Merge,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
    in_order,
)
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, map_expr, map_own_exprs, statements, stored

Values = dict[Buffer, Expr]


def promote(kernel: Kernel) -> Kernel:
    """The kernel at the promoted level; it has no calls."""
    body = kernel.body
    cells = {s.buffer for s in statements(body) if isinstance(s, Alloc) and not s.buffer.rank and s.buffer.data is None}
    results = [b for b in kernel.results if not b.rank]
    p = _Promote(cells | set(results))
    for b in results:
        p.values[b] = _zero(b.dtype, b.span)
    new = p.body(body)
    final = tuple(Store(b, (), p.values[b], b.span) for b in results)
    return replace(kernel, body=(*new, *final))


def _zero(dtype: DType, span: Span) -> Expr:
    return Const(0.0 if isinstance(dtype, FloatType) else (False if dtype == BOOL else 0), dtype, span)


@dataclass
class _Promote:
    cells: set[Buffer]
    values: Values = field(default_factory=dict)

    def expr(self, e: Expr) -> Expr:
        return map_expr(self._node, e)

    def _node(self, e: Expr) -> Expr:
        return self.values[e.buffer] if isinstance(e, Load) and e.buffer in self.cells else e

    def body(self, body: Body) -> Body:
        out: list[Stmt] = []
        for s in body:
            self._stmt(s, out)
        return tuple(out)

    def _stmt(self, s: Stmt, out: list[Stmt]) -> None:
        match s:
            case Alloc() if s.buffer in self.cells:
                self.values[s.buffer] = _zero(s.buffer.dtype, s.span)
            case Store() if s.buffer in self.cells:
                self._set(s.buffer, self.expr(s.value), s.span, out)
            case Reduce() if s.buffer in self.cells:
                value = self.expr(s.value)
                old = self.values[s.buffer]
                new = build.apply(s.op, old, value, span=s.span)
                self._set(s.buffer, build.convert(new, s.buffer.dtype, s.span), s.span, out)
            case For():
                out.append(self._for(s))
            case While():
                out.append(self._while(s))
            case If():
                out.append(self._if(s))
            case _:
                out.append(map_own_exprs(s, self.expr))

    def _set(self, b: Buffer, value: Expr, span: Span, out: list[Stmt]) -> None:
        if not build.is_atom(value):
            var = Var(b.hint, b.dtype, span)
            out.append(Let(var, value, span))
            value = Ref(var, span)
        self.values[b] = value

    def _changed(self, body: Body) -> list[Buffer]:
        found = stored(body)
        return [b for b in self.values if b in found]

    def _enter(self, changed: list[Buffer], span: Span) -> tuple[list[Var], list[Expr]]:
        inits = [self.values[b] for b in changed]
        inside = [Var(b.hint, b.dtype, b.span) for b in changed]
        for b, var in zip(changed, inside, strict=True):
            self.values[b] = Ref(var, span)
        return inside, inits

    def _leave(self, changed: list[Buffer], inside: list[Var], inits: list[Expr], span: Span) -> tuple[Carry, ...]:
        nexts = [self.values[b] for b in changed]
        results = [Var(b.hint, b.dtype, b.span) for b in changed]
        for b, var in zip(changed, results, strict=True):
            self.values[b] = Ref(var, span)
        return tuple(Carry(*row) for row in zip(inside, inits, nexts, results, strict=True))

    def _for(self, s: For) -> For:
        lo, hi, step = self.expr(s.lo), self.expr(s.hi), self.expr(s.step)
        changed = self._changed(s.body)
        inside, inits = self._enter(changed, s.span)
        until = None if s.until is None else self.expr(s.until)
        body = self.body(s.body)
        carry = self._leave(changed, inside, inits, s.span)
        kind = in_order(s.kind) if carry else s.kind
        return replace(s, lo=lo, hi=hi, step=step, kind=kind, until=until, body=body, carry=carry)

    def _while(self, s: While) -> While:
        changed = self._changed(s.body)
        inside, inits = self._enter(changed, s.span)
        cond = self.expr(s.cond)
        body = self.body(s.body)
        return replace(s, cond=cond, body=body, carry=self._leave(changed, inside, inits, s.span))

    def _if(self, s: If) -> If:
        cond = self.expr(s.cond)
        before = dict(self.values)
        then = self.body(s.then)
        after_then = self.values
        self.values = dict(before)
        orelse = self.body(s.orelse)
        after_else = self.values
        self.values = before
        merges = []
        for b in before:
            a, c = after_then[b], after_else[b]
            if a is c:
                self.values[b] = a  # what both sides set it to, or what it was
            else:
                var = Var(b.hint, b.dtype, s.span)
                merges.append(Merge(var, a, c))
                self.values[b] = Ref(var, s.span)
        return replace(s, cond=cond, then=then, orelse=orelse, merges=tuple(merges))
