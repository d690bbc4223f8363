"""Integers of which only the low bits are ever looked at become as narrow as those.

`cast(a * b + c):i64` of i64 operands needs no 129-bit sum: modulo 2**64 all of it can be computed in 64 bits. The need
is found backwards, from stores, conditions and indices, through names and carried values, to a fixed point. Whatever is
looked at keeps its value; in between, results are narrower than their op's rule gives, and wrap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from gemel.semantics import build, ops
from gemel.semantics.convert import wrap
from gemel.semantics.dtypes import IndexType, IntType, as_int, storage_bits, width_of
from gemel.semantics.ir import Apply, Carry, Const, Expr, For, If, Kernel, Let, Load, Ref, Stmt, Var, While
from gemel.semantics.traverse import Body, blocks_of, exprs_of, map_own_exprs

MODULAR = (ops.ADD, ops.SUB, ops.MUL, ops.AND, ops.OR, ops.XOR, ops.NEG, ops.INVERT)
"""Ops whose low bits come from the low bits of the operands."""


@dataclass(frozen=True)
class LowBits:
    """The pass. `held` takes widths that a CPU has: 8, 16, 32, 64 or a multiple of 64; without, any."""

    held: bool = False

    def __call__(self, kernel: Kernel) -> Kernel:
        """The promoted kernel with narrower intermediate values and names."""
        needs = _Needs()
        while needs.grows(kernel.body):
            pass
        return replace(kernel, body=_Narrower(needs.bits, self.held).body(kernel.body))


def _carries(s: Stmt) -> tuple[Carry, ...]:
    return s.carry if isinstance(s, For | While) else ()


def _asked(e: Apply, bits: int) -> list[int]:
    """How many low bits of each operand the low `bits` of the result come from."""
    full = [width_of(a.dtype) for a in e.args]
    if not isinstance(e.dtype, IntType | IndexType):
        return full
    least = [min(bits, width) for width in full]
    second = e.args[1] if len(e.args) > 1 else None
    if e.op is ops.AND:
        masks = [int(a.value).bit_length() for a in e.args if isinstance(a, Const) and a.value >= 0]
        return [max(1, min(n, *masks)) for n in least] if masks else least
    if e.op in MODULAR or (e.op is ops.CAST and as_int(e.args[0].dtype)):
        return least
    if e.op is ops.SELECT:
        return [1, *least[1:]]
    if e.op is ops.SHL and isinstance(second, Const):
        return [min(full[0], max(1, bits - max(int(second.value), 0))), full[1]]
    if e.op is ops.BITS and isinstance(second, Const) and isinstance(e.args[2], Const):
        return [min(full[0], int(second.value) + 1, int(e.args[2].value) + bits), *full[1:]]
    return full


@dataclass
class _Needs:
    """How many low bits of each name are looked at."""

    bits: dict[Var, int] = field(default_factory=dict)
    _seen: set[tuple[Expr, int]] = field(default_factory=set)
    _grown: bool = False

    def grows(self, body: Body) -> bool:
        """Takes a kernel's needs in once more; whether there was anything new."""
        self._seen, self._grown = set(), False
        self._body(body)
        return self._grown

    def _body(self, body: Body) -> None:
        for s in reversed(body):
            self._stmt(s)

    def _stmt(self, s: Stmt) -> None:
        if isinstance(s, Let):
            self._named((s.var,), (s.value,))
            return
        carried = {e for c in _carries(s) for e in (c.init, c.next)}
        if isinstance(s, If):
            carried = {e for m in s.merges for e in (m.then, m.orelse)}
            for m in s.merges:
                self._named((m.var,), (m.then, m.orelse))
        for c in _carries(s):
            self._named((c.var, c.result), (c.init, c.next))
        for block in reversed(blocks_of(s)):
            self._body(block)
        for e in exprs_of(s):
            if e not in carried:
                self._use(e, width_of(e.dtype))

    def _named(self, names: Iterable[Var], values: Iterable[Expr]) -> None:
        """What is asked of any of the names is asked of all, and of the values."""
        bits = max(self.bits.get(v, 0) for v in names)
        if bits:
            for v in names:
                self._need(v, bits)
            for e in values:
                self._use(e, bits)

    def _need(self, v: Var, bits: int) -> None:
        if bits > self.bits.get(v, 0):
            self.bits[v] = bits
            self._grown = True

    def _use(self, e: Expr, bits: int) -> None:
        if (e, bits) in self._seen:
            return
        self._seen.add((e, bits))
        match e:
            case Ref():
                self._need(e.var, bits)
            case Load():
                for i in e.indices:
                    self._use(i, width_of(i.dtype))
            case Apply():
                for a, asked in zip(e.args, _asked(e, bits), strict=True):
                    self._use(a, asked)
            case Const():
                pass


@dataclass
class _Narrower:
    bits: dict[Var, int]
    held: bool
    vars: dict[Var, Expr] = field(default_factory=dict)
    _done: dict[tuple[Expr, int], Expr] = field(default_factory=dict)

    def narrowed(self, dtype: object, bits: int) -> IntType | None:
        """The type for the low `bits` of a value; None where it keeps its own."""
        if not isinstance(dtype, IntType):
            return None
        width = storage_bits(IntType(max(bits, 1), False)) if self.held else max(bits, 1)
        return IntType(width, dtype.signed) if width < dtype.width else None

    # --------------------------------------------------------------------------------------------------- statements

    def body(self, body: Body) -> Body:
        """The block at narrower types."""
        return tuple(self._stmt(s) for s in body)

    def _stmt(self, s: Stmt) -> Stmt:
        match s:
            case Let():
                value = self._value(s.value, s.var)
                return Let(self._bind(s.var), value, s.span)
            case For() | While():
                return self._loop(s)
            case If():
                cond = self._whole(s.cond)
                then, orelse = self.body(s.then), self.body(s.orelse)
                sides = [(self._value(m.then, m.var), self._value(m.orelse, m.var)) for m in s.merges]
                merges = [
                    replace(m, var=self._bind(m.var), then=a, orelse=b)
                    for m, (a, b) in zip(s.merges, sides, strict=True)
                ]
                return replace(s, cond=cond, then=then, orelse=orelse, merges=tuple(merges))
            case _:
                return map_own_exprs(s, self._whole)

    def _loop(self, s: For | While) -> For | While:
        heads = {"lo": s.lo, "hi": s.hi, "step": s.step} if isinstance(s, For) else {}
        bounds = {name: self._whole(e) for name, e in heads.items()}
        inits = [self._value(c.init, c.var) for c in s.carry]
        names = [(self._bind(c.var), self._bind(c.result)) for c in s.carry]
        ends = {"until": s.until} if isinstance(s, For) else {"cond": s.cond}
        conds = {name: e and self._whole(e) for name, e in ends.items()}
        body = self.body(s.body)
        nexts = [self._value(c.next, c.var) for c in s.carry]
        carry = tuple(Carry(v, a, b, result) for (v, result), a, b in zip(names, inits, nexts, strict=True))
        return replace(s, **bounds, **conds, body=body, carry=carry)  # type: ignore[arg-type]

    def _bind(self, v: Var) -> Var:
        dtype = self.narrowed(v.dtype, self.bits.get(v, 0))
        if dtype is None:
            return v
        new = Var(v.hint, dtype, v.span)
        self.vars[v] = Ref(new, v.span)
        return new

    def _value(self, e: Expr, v: Var) -> Expr:
        """What is given to a name, at the type that the name will have."""
        bits = self.bits.get(v, 0)
        return build.convert(
            self.expr(e, min(max(bits, 1), width_of(e.dtype))), self.narrowed(v.dtype, bits) or v.dtype
        )

    # -------------------------------------------------------------------------------------------------- expressions

    def _whole(self, e: Expr) -> Expr:
        return self.expr(e, width_of(e.dtype))

    def expr(self, e: Expr, bits: int) -> Expr:
        """An expression that has the low `bits` of `e`: of the narrowed type, or of the type that it had."""
        if (e, bits) not in self._done:
            self._done[e, bits] = self._expr(e, bits)
        return self._done[e, bits]

    def _expr(self, e: Expr, bits: int) -> Expr:
        dtype = self.narrowed(e.dtype, bits)
        match e:
            case Const():
                return e if dtype is None else Const(wrap(int(e.value), dtype), dtype, e.span)
            case Ref():
                found = self.vars.get(e.var, e)
            case Load():
                found = replace(e, indices=tuple(map(self._whole, e.indices)))
            case Apply():
                args = tuple(self.expr(a, n) for a, n in zip(e.args, _asked(e, bits), strict=True))
                if e.op is ops.CAST:
                    found = build.convert(args[0], dtype or e.dtype, e.span)
                elif e.op is ops.BITS:
                    found = build.convert(_slice(e, args), dtype or e.dtype, e.span)
                elif dtype is not None and e.op in (*MODULAR, ops.SHL, ops.SELECT):
                    found = replace(e, args=args, dtype=dtype)
                else:
                    found = e if args == e.args else replace(e, args=args)
        return found if dtype is None else build.convert(found, dtype, e.span)


def _slice(e: Apply, args: tuple[Expr, ...]) -> Expr:
    """Bits of a value that may have lost its top bits; those aren't looked at."""
    x, hi, lo = args
    width = width_of(x.dtype)
    if isinstance(hi, Const) and int(hi.value) >= width:
        return build.apply(ops.BITS, x, build.literal(width - 1, e.span), lo, span=e.span)
    return e if args == e.args else replace(e, args=args)
