"""Values keep only the bits that are used: what is later cut to 32 bits is computed in 32; unused values vanish.

Runs on the promoted level. A backward walk finds how many low bits of each name matter, round loops until nothing
changes; then every sum, product, bitwise op, choice and left shift works modulo that power of two. Such an op's low
result bits depend only on as many low bits of its operands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gemel.semantics import build, ops
from gemel.semantics.convert import wrap
from gemel.semantics.dtypes import DType, IntType, width_of
from gemel.semantics.ir import (
    Apply,
    Carry,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Merge,
    Ref,
    Stmt,
    Var,
    While,
)
from gemel.semantics.traverse import Body, exprs_of, map_own_exprs

_RING = (ops.ADD, ops.SUB, ops.MUL, ops.NEG, ops.AND, ops.OR, ops.XOR, ops.INVERT)
"""Ops whose low result bits depend on just as many low bits of each operand."""

_ALL = 1 << 20


def demand(kernel: Kernel) -> Kernel:
    """The promoted kernel with names and operators no wider than what is used of them."""
    need = _Needs()
    need.body(kernel.body)
    return replace(kernel, body=_Cutter(need.bits).body(kernel.body))


def _operand_bits(e: Apply, bits: int) -> tuple[int, ...]:
    """How many low bits of each operand the `bits` low bits of a result depend on."""
    count = len(e.args)
    if not isinstance(e.dtype, IntType):
        return (_ALL,) * count
    bits = min(bits, e.dtype.width)
    if e.op in _RING:
        return (bits,) * count
    match (e.op, e.args):
        case ops.SELECT, _:
            return _ALL, bits, bits
        case ops.SHL, (_, Const() as amount):
            return max(0, bits - max(int(amount.value), 0)), _ALL
        case ops.SHL, _:
            return bits, _ALL
        case ops.SHR, (_, Const() as amount):
            return bits + max(int(amount.value), 0), _ALL
        case ops.CAST, (a,) if isinstance(a.dtype, IntType):
            return (bits,)
        case ops.BITS, (_, _, Const() as low):
            return int(low.value) + bits, _ALL, _ALL
        case _:
            return (_ALL,) * count


@dataclass
class _Needs:
    """How many low bits of each name are used; a name that isn't there isn't used."""

    bits: dict[Var, int] = field(default_factory=dict)

    def name(self, v: Var, bits: int) -> None:
        if bits:
            self.bits[v] = max(self.bits.get(v, 0), min(bits, width_of(v.dtype)))

    def expr(self, e: Expr, bits: int = _ALL) -> None:
        match e:
            case Const():
                pass
            case Ref():
                self.name(e.var, bits)
            case Load():
                for i in e.indices:
                    self.expr(i)
            case Apply():
                for a, own in zip(e.args, _operand_bits(e, bits), strict=True):
                    if own:
                        self.expr(a, own)

    def body(self, body: Body) -> None:
        for s in reversed(body):
            self.stmt(s)

    def stmt(self, s: Stmt) -> None:
        match s:
            case Let():
                self.some(s.value, s.var)
            case If():
                for m in s.merges:
                    self.some(m.then, m.var)
                    self.some(m.orelse, m.var)
                self.body(s.orelse)
                self.body(s.then)
                self.expr(s.cond)
            case For() | While():
                self.loop(s)
            case _:
                for e in exprs_of(s):
                    self.expr(e)

    def some(self, e: Expr, v: Var) -> None:
        """As much of a value as is used of its name."""
        if v in self.bits:
            self.expr(e, self.bits[v])

    def loop(self, s: For | While) -> None:
        for c in s.carry:
            self.name(c.var, self.bits.get(c.result, 0))
        cond = s.cond if isinstance(s, While) else s.until
        if cond is not None:
            self.expr(cond)
        before: list[int | None] | None = None
        while before != (now := [self.bits.get(c.var) for c in s.carry]):
            before = now
            for c in s.carry:
                self.some(c.next, c.var)
            self.body(s.body)
        for c in s.carry:
            self.some(c.init, c.var)
        if isinstance(s, For):
            for e in (s.lo, s.hi, s.step):
                self.expr(e)


@dataclass
class _Cutter:
    bits: dict[Var, int]
    vars: dict[Var, Var] = field(default_factory=dict)

    def fresh(self, v: Var) -> Var:
        """The name, or a narrower one in its place."""
        if isinstance(v.dtype, IntType) and self.bits[v] < v.dtype.width:
            self.vars[v] = Var(v.hint, IntType(self.bits[v], v.dtype.signed), v.span)
        return self.vars.get(v, v)

    def to(self, e: Expr, dtype: DType) -> Expr:
        """The low bits of an expression as a value of a type."""
        return build.convert(self.low(e, width_of(dtype)), dtype)

    def expr(self, e: Expr) -> Expr:
        return self.to(e, e.dtype)

    def low(self, e: Expr, bits: int) -> Expr:
        """An expression with the same low bits, as narrow as that allows."""
        dtype = e.dtype
        if isinstance(dtype, IntType) and bits < dtype.width:
            dtype = IntType(max(bits, 1), dtype.signed)
        match e:
            case Const():
                return e if dtype == e.dtype else Const(_wrapped(e, dtype), dtype, e.span)
            case Ref():
                v = self.vars.get(e.var, e.var)
                return e if v is e.var else Ref(v, e.span)
            case Load():
                return Load(e.buffer, tuple(map(self.expr, e.indices)), e.span)
            case Apply():
                return self.low_apply(e, dtype)

    def low_apply(self, e: Apply, dtype: DType) -> Expr:
        wanted = _operand_bits(e, width_of(dtype))
        if not wanted[0]:
            return Const(0, dtype, e.span)
        args = tuple(self.operand(e, a, bits) for a, bits in zip(e.args, wanted, strict=True))
        if e.op is ops.BITS:
            return self.low_bits(e, args, dtype)
        if e.op in _RING or e.op in (ops.SELECT, ops.SHL, ops.SHR, ops.CAST):
            return build.apply(e.op, *args, span=e.span, dtype=dtype)
        return replace(e, args=args)

    def operand(self, e: Apply, a: Expr, bits: int) -> Expr:
        if bits == _ALL or not isinstance(a.dtype, IntType):
            return self.expr(a)
        return build.convert(self.low(a, bits), IntType(min(bits, a.dtype.width), a.dtype.signed))

    def low_bits(self, e: Apply, args: tuple[Expr, ...], dtype: DType) -> Expr:
        low = e.args[2]
        if not isinstance(low, Const):
            raise TypeError("bits with bounds that are no literals")
        top = build.literal(int(low.value) + width_of(dtype) - 1, e.span)
        return build.apply(ops.BITS, args[0], top, low, span=e.span)

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, body: Body) -> Body:
        return tuple(s for one in body for s in self.stmt(one))

    def stmt(self, s: Stmt) -> Iterable[Stmt]:
        match s:
            case Let():
                if s.var in self.bits:
                    var = self.fresh(s.var)
                    yield Let(var, self.to(s.value, var.dtype), s.span)
            case If():
                yield self.branch(s)
            case For():
                lo, hi, step = map(self.expr, (s.lo, s.hi, s.step))
                carry = self.enter(s.carry)
                until = None if s.until is None else self.expr(s.until)
                body = self.body(s.body)
                yield replace(s, lo=lo, hi=hi, step=step, until=until, body=body, carry=self.leave(carry))
            case While():
                carry = self.enter(s.carry)
                cond, body = self.expr(s.cond), self.body(s.body)
                yield replace(s, cond=cond, body=body, carry=self.leave(carry))
            case _:
                yield map_own_exprs(s, self.expr)

    def branch(self, s: If) -> If:
        cond, then, orelse = self.expr(s.cond), self.body(s.then), self.body(s.orelse)
        merges = []
        for m in s.merges:
            if m.var in self.bits:
                var = self.fresh(m.var)
                merges.append(Merge(var, self.to(m.then, var.dtype), self.to(m.orelse, var.dtype)))
        return replace(s, cond=cond, then=then, orelse=orelse, merges=tuple(merges))

    def enter(self, carry: tuple[Carry, ...]) -> tuple[Carry, ...]:
        """The carried values that are used, with their names and starts cut; `next` and `result` still as they were."""
        used = [c for c in carry if c.var in self.bits]
        inits = [self.low(c.init, self.bits[c.var]) for c in used]
        made = []
        for c, init in zip(used, inits, strict=True):
            var = self.fresh(c.var)
            made.append(Carry(var, build.convert(init, var.dtype), c.next, c.result))
        return tuple(made)

    def leave(self, carry: tuple[Carry, ...]) -> tuple[Carry, ...]:
        made = []
        for c in carry:
            result = c.result
            if result.dtype != c.var.dtype:
                result = self.vars[c.result] = Var(result.hint, c.var.dtype, result.span)
            made.append(replace(c, next=self.to(c.next, c.var.dtype), result=result))
        return tuple(made)


def _wrapped(e: Const, dtype: DType) -> int:
    if not isinstance(dtype, IntType):
        raise TypeError(f"{dtype} is not cut")
    return wrap(int(e.value), dtype)
