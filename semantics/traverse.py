"""Walking, rewriting and copying of IR: written once, used by every pass.

`same` compares two kernels structurally, up to names and spans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Buffer,
    Call,
    Carry,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Merge,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)

Body = tuple[Stmt, ...]

# ------------------------------------------------------------------------------------------------------------- walking


def subexprs(e: Expr) -> Iterator[Expr]:
    """The expression and all below it, operands first."""
    match e:
        case Load():
            for i in e.indices:
                yield from subexprs(i)
        case Apply():
            for a in e.args:
                yield from subexprs(a)
        case Const() | Ref():
            pass
        case _:
            assert_never(e)
    yield e


def exprs_of(s: Stmt) -> Iterator[Expr]:
    """The expressions that a statement itself evaluates, carried values included, nested statements not."""
    match s:
        case Let():
            yield s.value
        case Alloc():
            yield from s.buffer.shape
        case Store() | Reduce():
            yield from s.indices
            yield s.value
        case For():
            yield from (s.lo, s.hi, s.step)
            yield from (c.init for c in s.carry)
            yield from (c.next for c in s.carry)
            if s.until is not None:
                yield s.until
        case While():
            yield from (c.init for c in s.carry)
            yield s.cond
            yield from (c.next for c in s.carry)
        case If():
            yield s.cond
            for m in s.merges:
                yield from (m.then, m.orelse)
        case Call():
            yield from s.dims
            for a in s.args:
                yield from (*a.indices, *a.shape) if isinstance(a, View) else (a,)
        case Assert():
            yield s.cond
            yield from s.values
        case Assume():
            yield s.cond
        case _:
            assert_never(s)


def blocks_of(s: Stmt) -> tuple[Body, ...]:
    """The nested statement lists."""
    match s:
        case For() | While():
            return (s.body,)
        case If():
            return (s.then, s.orelse)
        case _:
            return ()


def statements(body: Iterable[Stmt]) -> Iterator[Stmt]:
    """All statements of a block, nested ones included, each before what is nested in it."""
    for s in body:
        yield s
        for block in blocks_of(s):
            yield from statements(block)


def all_exprs(body: Iterable[Stmt]) -> Iterator[Expr]:
    """All expressions of a block and all their subexpressions."""
    for s in statements(body):
        for e in exprs_of(s):
            yield from subexprs(e)


def accesses(s: Stmt) -> Iterator[tuple[Buffer, tuple[Expr, ...]]]:
    """The places that a statement itself loads from, and the one it stores to; nested statements not."""
    for e in exprs_of(s):
        yield from ((x.buffer, x.indices) for x in subexprs(e) if isinstance(x, Load))
    if isinstance(s, Store | Reduce):
        yield s.buffer, s.indices


def loaded(body: Iterable[Stmt]) -> set[Buffer]:
    """The buffers that a block loads from; a `Reduce` counts, a view passed to a call counts."""
    found: set[Buffer] = set()
    for s in statements(body):
        found.update(e.buffer for x in exprs_of(s) for e in subexprs(x) if isinstance(e, Load))
        if isinstance(s, Reduce):
            found.add(s.buffer)
        if isinstance(s, Call):
            found.update(a.buffer for a in s.args if isinstance(a, View))
    return found


def stored(body: Iterable[Stmt]) -> set[Buffer]:
    """The buffers that a block stores to, by calls too."""
    found: set[Buffer] = set()
    for s in statements(body):
        match s:
            case Store() | Reduce():
                found.add(s.buffer)
            case Call():
                found.update(s.results)
                inner = stored(s.kernel.body)
                pairs = zip(s.kernel.params, s.args, strict=True)
                found.update(a.buffer for p, a in pairs if isinstance(a, View) and p in inner)
            case _:
                pass
    return found


# ----------------------------------------------------------------------------------------------------------- rewriting

ExprMap = Callable[[Expr], Expr]
StmtMap = Callable[[Stmt], Stmt | Body]


def map_expr(f: ExprMap, e: Expr) -> Expr:
    """`e` with `f` applied to each node, operands first; a node is rebuilt only where something below it changed."""
    match e:
        case Load():
            indices = tuple(map_expr(f, i) for i in e.indices)
            return f(e if _same_items(indices, e.indices) else replace(e, indices=indices))
        case Apply():
            args = tuple(map_expr(f, a) for a in e.args)
            return f(e if _same_items(args, e.args) else replace(e, args=args))
        case Const() | Ref():
            return f(e)
        case _:
            assert_never(e)


def _same_items(a: tuple[object, ...], b: tuple[object, ...]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def map_own_exprs(s: Stmt, g: ExprMap) -> Stmt:
    """The statement with `g` applied to each expression of `exprs_of` (whole expressions, not nodes)."""
    match s:
        case Let():
            return replace(s, value=g(s.value))
        case Alloc():
            return s
        case Store() | Reduce():
            return replace(s, indices=tuple(map(g, s.indices)), value=g(s.value))
        case For():
            carry = tuple(replace(c, init=g(c.init), next=g(c.next)) for c in s.carry)
            until = None if s.until is None else g(s.until)
            return replace(s, lo=g(s.lo), hi=g(s.hi), step=g(s.step), until=until, carry=carry)
        case While():
            carry = tuple(replace(c, init=g(c.init), next=g(c.next)) for c in s.carry)
            return replace(s, cond=g(s.cond), carry=carry)
        case If():
            merges = tuple(replace(m, then=g(m.then), orelse=g(m.orelse)) for m in s.merges)
            return replace(s, cond=g(s.cond), merges=merges)
        case Call():
            return replace(s, dims=tuple(map(g, s.dims)), args=tuple(_map_arg(a, g) for a in s.args))
        case Assert():
            return replace(s, cond=g(s.cond), values=tuple(map(g, s.values)))
        case Assume():
            return replace(s, cond=g(s.cond))
        case _:
            assert_never(s)


def _map_arg(a: Expr | View, g: ExprMap) -> Expr | View:
    if isinstance(a, View):
        return replace(a, indices=tuple(map(g, a.indices)), shape=tuple(map(g, a.shape)))
    return g(a)


def map_blocks(s: Stmt, g: Callable[[Body], Body]) -> Stmt:
    """The statement with `g` applied to each nested block."""
    match s:
        case For() | While():
            body = g(s.body)
            return s if body is s.body else replace(s, body=body)
        case If():
            then, orelse = g(s.then), g(s.orelse)
            return s if then is s.then and orelse is s.orelse else replace(s, then=then, orelse=orelse)
        case _:
            return s


def map_body(body: Body, expr: ExprMap | None = None, stmt: StmtMap | None = None) -> Body:
    """The block with `expr` applied to each expression node and then `stmt` to each statement, innermost first.

    `stmt` may give one statement, several, or none. Buffer shapes and binders stay (`Copier` changes them).
    """
    out: list[Stmt] = []
    for s in body:
        changed = map_blocks(s, lambda b: map_body(b, expr, stmt))
        if expr is not None:
            changed = map_own_exprs(changed, partial(map_expr, expr))
        result: Stmt | Body = changed if stmt is None else stmt(changed)
        out.extend(result if isinstance(result, tuple) else (result,))
    return tuple(out)


# ------------------------------------------------------------------------------------------------------------- copying


@dataclass
class Copier:
    """Copies IR, giving every binder inside a fresh identity and substituting what `vars`, `buffers` and `views` name.

    `vars` maps variables to expressions, `buffers` buffers to buffers, `views` parameters to the views passed for them.
    """

    vars: dict[Var, Expr] = field(default_factory=dict)
    buffers: dict[Buffer, Buffer] = field(default_factory=dict)
    views: dict[Buffer, View] = field(default_factory=dict)

    def expr(self, e: Expr) -> Expr:
        """The expression with substitutions made."""
        return map_expr(self._node, e)

    def _node(self, e: Expr) -> Expr:
        if isinstance(e, Ref):
            new = self.vars.get(e.var)
            return e if new is None else new
        if isinstance(e, Load):
            buffer, indices = self.place(e.buffer, e.indices)
            return e if buffer is e.buffer else Load(buffer, indices, e.span)
        return e

    def place(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr, ...]]:
        """Where an access of a (possibly substituted) buffer goes; `indices` are copied already."""
        view = self.views.get(buffer)
        if view is None:
            return self.buffers.get(buffer, buffer), indices
        inner = Copier(vars=dict(zip(view.vars, indices, strict=True)))
        return view.buffer, tuple(inner.expr(i) for i in view.indices)

    def fresh(self, v: Var) -> Var:
        """A new variable in place of `v`."""
        new = Var(v.hint, v.dtype, v.span)
        self.vars[v] = Ref(new, v.span)
        return new

    def fresh_buffer(self, b: Buffer) -> Buffer:
        """A new buffer in place of `b`."""
        new = replace(b, shape=tuple(map(self.expr, b.shape)))
        self.buffers[b] = new
        return new

    def body(self, body: Body) -> Body:
        """A copy of a block; binders are visible to the statements after them."""
        return tuple(self.stmt(s) for s in body)

    def stmt(self, s: Stmt) -> Stmt:
        """A copy of a statement."""
        match s:
            case Let():
                value = self.expr(s.value)
                return Let(self.fresh(s.var), value, s.span)
            case Alloc():
                return Alloc(self.fresh_buffer(s.buffer), s.span, s.filled)
            case Store() | Reduce():
                buffer, indices = self.place(s.buffer, tuple(map(self.expr, s.indices)))
                return replace(s, buffer=buffer, indices=indices, value=self.expr(s.value))
            case For():
                return self._for(s)
            case While():
                return self._while(s)
            case If():
                return self._if(s)
            case Call():
                args = tuple(self._arg(a) for a in s.args)
                results = tuple(self.buffers.get(b, b) for b in s.results)
                return Call(s.kernel, tuple(map(self.expr, s.dims)), args, results, s.span)
            case Assert() | Assume():
                return map_own_exprs(s, self.expr)
            case _:
                assert_never(s)

    def _for(self, s: For) -> For:
        lo, hi, step = self.expr(s.lo), self.expr(s.hi), self.expr(s.step)
        inits = [self.expr(c.init) for c in s.carry]
        var = self.fresh(s.var)
        inside = [self.fresh(c.var) for c in s.carry]
        until = None if s.until is None else self.expr(s.until)
        body = self.body(s.body)
        carry = self._carry(s.carry, inside, inits)
        ahead = tuple(e for e in map(self.expr, s.ahead) if isinstance(e, Load))
        return For(var, lo, hi, step, s.kind, body, s.span, until, carry, ahead, s.every)

    def _while(self, s: While) -> While:
        inits = [self.expr(c.init) for c in s.carry]
        inside = [self.fresh(c.var) for c in s.carry]
        cond = self.expr(s.cond)
        body = self.body(s.body)
        return While(cond, body, s.span, self._carry(s.carry, inside, inits))

    def _carry(self, old: tuple[Carry, ...], inside: list[Var], inits: list[Expr]) -> tuple[Carry, ...]:
        nexts = [self.expr(c.next) for c in old]
        rows = zip(old, inside, inits, nexts, strict=True)
        return tuple(Carry(var, init, nxt, self.fresh(c.result)) for c, var, init, nxt in rows)

    def _if(self, s: If) -> If:
        cond, then, orelse = self.expr(s.cond), self.body(s.then), self.body(s.orelse)
        values = [(self.expr(m.then), self.expr(m.orelse)) for m in s.merges]
        merges = tuple(Merge(self.fresh(m.var), a, b) for m, (a, b) in zip(s.merges, values, strict=True))
        return If(cond, then, orelse, s.span, merges)

    def _arg(self, a: Expr | View) -> Expr | View:
        if not isinstance(a, View):
            return self.expr(a)
        shape = tuple(map(self.expr, a.shape))
        inner = Copier(dict(self.vars), self.buffers, self.views)
        own = tuple(inner.fresh(v) for v in a.vars)
        buffer, indices = inner.place(a.buffer, tuple(map(inner.expr, a.indices)))
        return View(buffer, own, indices, shape, a.span)
