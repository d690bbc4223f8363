"""Widths shrink to what the ranges of values need; every value stays what it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemel.semantics import build, intervals, ops
from gemel.semantics.dtypes import INDEX, BoolType, DType, FixedType, FloatType, int_holding, width_of
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Buffer,
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
    While,
)
from gemel.semantics.ranges import Ranges
from gemel.semantics.traverse import Body, map_own_exprs

_BY_TYPE = (ops.BITS, ops.CONCAT, ops.BITCAST)
"""Ops that look at the pattern of an operand, and so at its type."""


def narrow(kernel: Kernel) -> Kernel:
    """The kernel with intermediate results, names and local buffers as narrow as their ranges allow."""
    n = _Narrow(Ranges(kernel))
    body = n.body(kernel.body)
    return replace(kernel, body=body)


def _fitting(dtype: DType, interval: intervals.Interval) -> DType:
    if isinstance(dtype, BoolType | FloatType | FixedType):
        return dtype
    small = int_holding(*interval)
    return small if width_of(small) < width_of(dtype) else dtype


@dataclass
class _Narrow:
    ranges: Ranges
    vars: dict[Var, Expr] = field(default_factory=dict)
    buffers: dict[Buffer, Buffer] = field(default_factory=dict)

    def body(self, body: Body) -> Body:
        return tuple(self.stmt(s) for s in body)

    def stmt(self, s: Stmt) -> Stmt:
        new = self._stmt(s)
        self.ranges.pass_by(s)
        return new

    def _stmt(self, s: Stmt) -> Stmt:
        match s:
            case Let():
                value = self.expr(s.value)
                var = Var(s.var.hint, value.dtype, s.var.span)
                self.vars[s.var] = Ref(var, s.var.span)
                return Let(var, value, s.span)
            case Alloc():
                return Alloc(self._buffer(s.buffer), s.span, s.filled)
            case Store() | Reduce():
                buffer = self.buffers.get(s.buffer, s.buffer)
                value = build.convert(self.expr(s.value), buffer.dtype, s.span)
                return replace(s, buffer=buffer, indices=self._indices(s.indices), value=value)
            case For():
                lo, hi, step = (build.convert(self.expr(e), INDEX) for e in (s.lo, s.hi, s.step))
                with self.ranges.inside(s):
                    until = None if s.until is None else self.expr(s.until)
                    return replace(s, lo=lo, hi=hi, step=step, until=until, body=self.body(s.body))
            case While():
                cond = self.expr(s.cond)
                with self.ranges.inside(s):
                    return replace(s, cond=cond, body=self.body(s.body))
            case If():
                return self._if(s)
            case _:
                return map_own_exprs(s, self.expr)

    def _if(self, s: If) -> If:
        cond = self.expr(s.cond)
        with self.ranges.assuming(s.cond, True):
            then = self.body(s.then)
        with self.ranges.assuming(s.cond, False):
            orelse = self.body(s.orelse)
        return replace(s, cond=cond, then=then, orelse=orelse)

    def _buffer(self, b: Buffer) -> Buffer:
        interval = self.ranges.buffers.get(b)
        if b.data is not None or interval is None or isinstance(b.dtype, FloatType | FixedType):
            return b
        new = replace(b, dtype=_fitting(b.dtype, interval), shape=tuple(map(self.expr, b.shape)), data=None)
        self.buffers[b] = new
        return new

    def _indices(self, indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(build.convert(self.expr(i), INDEX) for i in indices)

    def expr(self, e: Expr) -> Expr:
        """The expression at the narrowest type of each part."""
        match e:
            case Const():
                return e
            case Ref():
                return self.vars.get(e.var, e)
            case Load():
                return Load(self.buffers.get(e.buffer, e.buffer), self._indices(e.indices), e.span)
            case Apply():
                return self._apply(e)

    def _apply(self, e: Apply) -> Expr:
        args = self._lazy_args(e) if e.op.lazy else tuple(map(self.expr, e.args))
        if e.op in _BY_TYPE:
            args = tuple(build.convert(a, old.dtype) for a, old in zip(args, e.args, strict=True))
            return replace(e, args=args)
        if isinstance(e.dtype, BoolType | FloatType | FixedType):
            return replace(e, args=args)
        dtype = _fitting(e.dtype, self.ranges.of(e))
        if e.op is ops.CAST and args[0].dtype == dtype:
            return args[0]
        return replace(e, args=args, dtype=dtype)

    def _lazy_args(self, e: Apply) -> tuple[Expr, ...]:
        first, *rest = e.args
        truths = (True, False) if e.op is ops.SELECT else (e.op is ops.LAND,)
        made = [self.expr(first)]
        for operand, truth in zip(rest, truths, strict=True):
            with self.ranges.assuming(first, truth):
                made.append(self.expr(operand))
        return tuple(made)
