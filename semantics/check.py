"""Whether IR is valid: names in scope, types and ranks right. Run between passes and on every parsed text."""

from __future__ import annotations

from dataclasses import dataclass, field

from gemel.semantics import build, ops
from gemel.semantics.dtypes import BOOL, INDEX
from gemel.semantics.errors import GemelError
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
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    View,
    While,
)
from gemel.semantics.span import Span
from gemel.semantics.traverse import Body, statements


def check(kernel: Kernel, promoted: bool = False) -> None:
    """Raises GemelError I02 where a kernel is not valid; `promoted` also forbids local buffers of rank 0."""
    c = _Check()
    c.names |= {*kernel.dims, *kernel.params, *kernel.results}
    for b in (*kernel.params, *kernel.results):
        if isinstance(b, Buffer):
            c.shape(b)
    c.body(kernel.body)
    if promoted:
        for s in statements(kernel.body):
            if isinstance(s, Alloc) and not s.buffer.rank and s.buffer.data is None:
                raise _bad(f"{s.buffer.hint} is a variable at the promoted level", s.span)


def _bad(what: str, span: Span, mend: str = "") -> GemelError:
    return GemelError(f"invalid IR: {what}", code="I02", span=span, mend=mend)


def _want(ok: bool, what: str, span: Span) -> None:
    if not ok:
        raise _bad(what, span)


@dataclass
class _Check:
    names: set[Var | Buffer] = field(default_factory=set)

    def shape(self, b: Buffer) -> None:
        for size in b.shape:
            self.typed(size, INDEX, "a size", b.span)

    def bind(self, x: Var | Buffer, span: Span) -> None:
        _want(x not in self.names, f"{x.hint} is bound twice", span)
        self.names.add(x)

    # ------------------------------------------------------------------------------------------------- expressions

    def typed(self, e: Expr, dtype: object, what: str, span: Span) -> None:
        self.expr(e)
        if e.dtype != dtype:
            raise _bad(f"{what} is {e.dtype}, not {dtype}", span, f"write cast(...):{dtype}")

    def expr(self, e: Expr) -> None:
        match e:
            case Const():
                pass
            case Ref():
                _want(e.var in self.names, f"{e.var.hint} is not in scope", e.span)
            case Load():
                self.place(e.buffer, e.indices, e.span)
            case Apply():
                for a in e.args:
                    self.expr(a)
                _want(len(e.args) == e.op.arity, f"{e.op.name} with {len(e.args)} operands", e.span)
                if e.op.rule is not None:
                    build.result_type(e.op, e.args, e.span)

    def place(self, b: Buffer, indices: tuple[Expr, ...], span: Span) -> None:
        _want(b in self.names, f"{b.hint} is not in scope", span)
        _want(len(indices) == b.rank, f"{len(indices)} indices for {b.hint} of rank {b.rank}", span)
        for i in indices:
            self.typed(i, INDEX, "an index", span)

    # -------------------------------------------------------------------------------------------------- statements

    def block(self, body: Body, after: tuple[tuple[Expr, object], ...] = ()) -> None:
        """A nested block and the values that it yields."""
        saved = set(self.names)
        self.body(body)
        for e, dtype in after:
            self.typed(e, dtype, "a value that is yielded", e.span)
        self.names = saved

    def body(self, body: Body) -> None:
        for s in body:
            self.stmt(s)

    def stmt(self, s: Stmt) -> None:
        match s:
            case Let():
                self.typed(s.value, s.var.dtype, s.var.hint, s.span)
                self.bind(s.var, s.span)
            case Alloc():
                self.shape(s.buffer)
                self.bind(s.buffer, s.span)
            case Store() | Reduce():
                self.store(s)
            case For():
                self.for_(s)
            case While():
                self.while_(s)
            case If():
                self.if_(s)
            case Call():
                self.call(s)
            case Assert():
                self.typed(s.cond, BOOL, "a condition", s.span)
                for v in s.values:
                    self.expr(v)
            case Assume():
                self.typed(s.cond, BOOL, "a condition", s.span)

    def store(self, s: Store | Reduce) -> None:
        self.place(s.buffer, s.indices, s.span)
        _want(s.buffer.data is None, f"a store to the table {s.buffer.hint}", s.span)
        self.typed(s.value, s.buffer.dtype, f"what is stored to {s.buffer.hint}", s.span)
        if isinstance(s, Reduce):
            _want(ops.may_reduce(s.op, s.buffer.dtype), f"{s.op.name} of {s.buffer.dtype} out of order", s.span)

    def carried(self, carry: tuple[Carry, ...], span: Span) -> None:
        for c in carry:
            self.typed(c.init, c.var.dtype, c.var.hint, span)
        for c in carry:
            self.bind(c.var, span)

    def results(self, carry: tuple[Carry, ...], span: Span) -> None:
        for c in carry:
            self.names.discard(c.var)
            self.bind(c.result, span)

    def for_(self, s: For) -> None:
        for e in (s.lo, s.hi, s.step):
            self.typed(e, INDEX, "a bound", s.span)
        _want(s.var.dtype == INDEX, "a loop variable is an index", s.span)
        self.carried(s.carry, s.span)
        self.bind(s.var, s.span)
        if s.until is not None:
            self.typed(s.until, BOOL, "a condition", s.span)
        self.block(s.body, tuple((c.next, c.var.dtype) for c in s.carry))
        self.names.discard(s.var)
        self.results(s.carry, s.span)

    def while_(self, s: While) -> None:
        self.carried(s.carry, s.span)
        self.typed(s.cond, BOOL, "a condition", s.span)
        self.block(s.body, tuple((c.next, c.var.dtype) for c in s.carry))
        self.results(s.carry, s.span)

    def if_(self, s: If) -> None:
        self.typed(s.cond, BOOL, "a condition", s.span)
        self.block(s.then, tuple((m.then, m.var.dtype) for m in s.merges))
        self.block(s.orelse, tuple((m.orelse, m.var.dtype) for m in s.merges))
        for m in s.merges:
            self.bind(m.var, s.span)

    def call(self, s: Call) -> None:
        k = s.kernel
        fits = len(s.dims) == len(k.dims) and len(s.args) == len(k.params) and len(s.results) == len(k.results)
        _want(fits, f"a call of {k.name} with other arguments than it takes", s.span)
        for e in s.dims:
            self.typed(e, INDEX, "a size", s.span)
        for p, a in zip(k.params, s.args, strict=True):
            if isinstance(a, View):
                _want(isinstance(p, Buffer) and p.rank == len(a.vars), f"the argument {p.hint}", s.span)
                _want(a.buffer.dtype == p.dtype, f"the argument {p.hint}", s.span)
                self.view(a)
            else:
                _want(isinstance(p, Var), f"the argument {p.hint}", s.span)
                self.typed(a, p.dtype, p.hint, s.span)
        for own, b in zip(k.results, s.results, strict=True):
            _want(b in self.names and b.dtype == own.dtype and b.rank == own.rank, f"the result {own.hint}", s.span)

    def view(self, v: View) -> None:
        for size in v.shape:
            self.typed(size, INDEX, "a size", v.span)
        saved = set(self.names)
        self.names |= set(v.vars)
        self.place(v.buffer, v.indices, v.span)
        self.names = saved
