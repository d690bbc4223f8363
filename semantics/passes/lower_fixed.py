"""Fixed point becomes integers: a value is its raw integer, alignment and rounding are shifts and additions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast as typed

from gemel.semantics import build, ops
from gemel.semantics.dtypes import (
    F64,
    BoolType,
    DType,
    FixedType,
    FloatType,
    Overflow,
    Rounding,
    int_holding,
)
from gemel.semantics.ir import Apply, Buffer, Call, Const, Expr, Kernel, Load, Ref, Stmt, Var
from gemel.semantics.span import Span
from gemel.semantics.traverse import Copier
from gemel.semantics.typerules import as_fixed


def lower_fixed(kernel: Kernel) -> Kernel:
    """The kernel with integers in place of fixed point; parameters and results hold raw integers."""
    copier = _Raw()
    params: list[Buffer | Var] = []
    for p in kernel.params:
        if isinstance(p, Buffer):
            params.append(copier.fresh_buffer(p))
        else:
            copier.fresh(p)
            params.append(typed(Ref, copier.vars[p]).var)
    results = tuple(map(copier.fresh_buffer, kernel.results))
    body = copier.body(kernel.body)
    return replace(kernel, params=tuple(params), results=results, body=body)


def _raw(dtype: DType) -> DType:
    return dtype.raw if isinstance(dtype, FixedType) else dtype


@dataclass
class _Raw(Copier):
    """A copier that gives every name its raw type."""

    def fresh(self, v: Var) -> Var:
        """A new variable of the raw type."""
        new = Var(v.hint, _raw(v.dtype), v.span)
        self.vars[v] = Ref(new, v.span)
        return new

    def fresh_buffer(self, b: Buffer) -> Buffer:
        """A new buffer of the raw type."""
        new = replace(b, dtype=_raw(b.dtype), shape=tuple(map(self.expr, b.shape)))
        self.buffers[b] = new
        return new

    def stmt(self, s: Stmt) -> Stmt:
        """A copy of a statement; a call is one of a kernel on raw values."""
        made = super().stmt(s)
        return replace(made, kernel=lower_fixed(made.kernel)) if isinstance(made, Call) else made

    def expr(self, e: Expr) -> Expr:
        """The expression on raw values."""
        match e:
            case Const():
                return replace(e, dtype=_raw(e.dtype))
            case Ref():
                return self.vars.get(e.var, e)
            case Load():
                return Load(self.buffers.get(e.buffer, e.buffer), tuple(map(self.expr, e.indices)), e.span)
            case Apply():
                args = tuple(map(self.expr, e.args))
                fixed = any(isinstance(t, FixedType) for t in (e.dtype, *(a.dtype for a in e.args)))
                return _lower(e, args) if fixed else replace(e, args=args)


def _lower(e: Apply, args: tuple[Expr, ...]) -> Expr:
    if e.op in (ops.CAST, ops.SATURATE):
        return convert(args[0], e.args[0].dtype, e.dtype, e.op is ops.SATURATE, e.span)
    aligned = _ALIGNED.get(e.op)
    if aligned is not None:
        args = aligned(e, args)
    return build.apply(e.op, *args, span=e.span, dtype=_raw(e.dtype))


def _to_result(e: Apply, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    frac = typed(FixedType, e.dtype).frac
    return tuple(align(a, old.dtype, frac, e.span) for a, old in zip(args, e.args, strict=True))


def _to_common(e: Apply, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    frac = max(t.frac for a in e.args if (t := as_fixed(a.dtype)))
    return tuple(align(a, old.dtype, frac, e.span) for a, old in zip(args, e.args, strict=True))


def _choices(e: Apply, args: tuple[Expr, ...]) -> tuple[Expr, ...]:
    if not isinstance(e.dtype, FixedType):
        return args
    frac = e.dtype.frac
    return args[0], *(align(a, old.dtype, frac, e.span) for a, old in zip(args[1:], e.args[1:], strict=True))


_ALIGNED: dict[ops.Op, Callable[[Apply, tuple[Expr, ...]], tuple[Expr, ...]]] = {
    ops.ADD: _to_result,
    ops.SUB: _to_result,
    ops.MIN: _to_result,
    ops.MAX: _to_result,
    ops.SELECT: _choices,
    **dict.fromkeys((ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE), _to_common),
}


def align(raw: Expr, dtype: DType, frac: int, span: Span) -> Expr:
    """A raw value of `dtype` at `frac` fraction bits, which are not fewer than it has."""
    own = as_fixed(dtype)
    if own is None or own.frac == frac:
        return raw
    raw = build.convert(raw, own.raw, span)  # a shifted index would wrap
    return build.apply(ops.SHL, raw, build.literal(frac - own.frac, span), span=span)


def convert(raw: Expr, source: DType, target: DType, saturating: bool, span: Span) -> Expr:
    """A conversion from or to fixed point, on raw values: what `semantics.convert.cast` does."""
    if isinstance(target, BoolType):
        return build.apply(ops.NE, raw, build.literal(0, span, raw.dtype), span=span)
    if isinstance(target, FloatType):
        return _to_float(raw, typed(FixedType, source), target, span)
    if isinstance(source, FloatType):
        return _from_float(raw, source, typed(FixedType, target), span)
    own = as_fixed(source)
    if own is None:
        raise TypeError(f"no number: {source}")
    raw = build.convert(raw, own.raw, span)  # a shifted index would wrap
    if isinstance(target, FixedType):
        rounded = shifted(raw, own.frac - target.frac, target.rounding, span)
        clamps = saturating or target.overflow is Overflow.SATURATE
        return build.apply(ops.SATURATE if clamps else ops.CAST, rounded, span=span, dtype=target.raw)
    whole = shifted(raw, own.frac, Rounding.ZERO, span)
    return build.apply(ops.SATURATE if saturating else ops.CAST, whole, span=span, dtype=target)


def shifted(raw: Expr, drop: int, mode: Rounding, span: Span) -> Expr:
    """raw / 2**drop rounded as `mode` says, exact in width; a left shift where `drop` is negative."""
    if drop == 0:
        return raw
    if drop < 0:
        return build.apply(ops.SHL, raw, build.literal(-drop, span), span=span)
    amount = build.literal(drop, span)
    bias = _bias(raw, drop, mode, span)
    total = raw if bias is None else build.apply(ops.ADD, raw, bias, span=span)
    return build.apply(ops.SHR, total, amount, span=span)


def _bias(raw: Expr, drop: int, mode: Rounding, span: Span) -> Expr | None:
    """What to add before the shift."""
    half, full = 1 << (drop - 1), (1 << drop) - 1
    if mode is Rounding.FLOOR:
        return None
    if mode is Rounding.HALF_EVEN:
        quotient = build.apply(ops.SHR, raw, build.literal(drop, span), span=span)
        odd = build.apply(ops.AND, quotient, build.literal(1, span), span=span)
        return build.apply(ops.ADD, build.literal(half - 1, span), odd, span=span) if half > 1 else odd
    negative, positive = {
        Rounding.CEIL: (full, full),
        Rounding.ZERO: (full, 0),
        Rounding.AWAY: (0, full),
        Rounding.HALF_UP: (half, half),
        Rounding.HALF_AWAY: (half - 1, half),
    }[mode]
    if negative == positive:
        return build.literal(negative, span)
    below = build.apply(ops.LT, raw, build.literal(0, span), span=span)
    kind = int_holding(0, max(negative, positive))
    choices = (Const(negative, kind, span), Const(positive, kind, span))
    return build.apply(ops.SELECT, below, *choices, span=span)


def _power(exponent: int, span: Span) -> Const:
    return Const(2.0**exponent, F64, span)


def _to_float(raw: Expr, source: FixedType, target: FloatType, span: Span) -> Expr:
    """Exact in f64 where the raw value has at most 53 bits, then rounded once; rounded before the scale otherwise."""
    middle = F64 if source.width <= 53 or target == F64 else target
    number = build.apply(ops.CAST, raw, span=span, dtype=middle)
    scale = build.convert(_power(-source.frac, span), middle)
    return build.convert(build.apply(ops.MUL, number, scale, span=span), target, span)


def _from_float(x: Expr, source: FloatType, target: FixedType, span: Span) -> Expr:
    """Scaled exactly in f64, rounded to a whole number, clamped."""
    scaled = build.apply(ops.MUL, build.convert(x, F64, span), _power(target.frac, span), span=span)
    whole = _ROUND[target.rounding](scaled, span)
    return build.apply(ops.SATURATE, whole, span=span, dtype=target.raw)


def _unary(op: ops.Op) -> Callable[[Expr, Span], Expr]:
    return lambda x, span: build.apply(op, x, span=span)


def _away(x: Expr, span: Span) -> Expr:
    negative = build.apply(ops.LT, x, Const(0.0, F64, span), span=span)
    down, up = (build.apply(op, x, span=span) for op in (ops.FLOOR, ops.CEIL))
    return build.apply(ops.SELECT, negative, down, up, span=span)


def _half_up(x: Expr, span: Span) -> Expr:
    down = build.apply(ops.FLOOR, x, span=span)
    rest = build.apply(ops.SUB, x, down, span=span)
    return _one_more(down, build.apply(ops.GE, rest, Const(0.5, F64, span), span=span), 1.0, span)


def _half_away(x: Expr, span: Span) -> Expr:
    inward = build.apply(ops.TRUNC, x, span=span)
    rest = build.apply(ops.SUB, x, inward, span=span)
    up = _one_more(inward, build.apply(ops.GE, rest, Const(0.5, F64, span), span=span), 1.0, span)
    return _one_more(up, build.apply(ops.LE, rest, Const(-0.5, F64, span), span=span), -1.0, span)


def _one_more(x: Expr, cond: Expr, step: float, span: Span) -> Expr:
    more = build.apply(ops.ADD, x, Const(step, F64, span), span=span)
    return build.apply(ops.SELECT, cond, more, x, span=span)


_ROUND: dict[Rounding, Callable[[Expr, Span], Expr]] = {
    Rounding.FLOOR: _unary(ops.FLOOR),
    Rounding.CEIL: _unary(ops.CEIL),
    Rounding.ZERO: _unary(ops.TRUNC),
    Rounding.HALF_EVEN: _unary(ops.RINT),
    Rounding.AWAY: _away,
    Rounding.HALF_UP: _half_up,
    Rounding.HALF_AWAY: _half_away,
}
