"""Brings a netlist to the ops and typings that SystemVerilog has, with the same values.

Afterwards the operands of arithmetic, bitwise ops, choices and comparisons have one common type (for all but
comparisons the result's), so that no operand is ever extended by its context, where SystemVerilog's rules and tools
differ; widening and narrowing are explicit casts. Division is of equal unsigned types, guarded against zero; shift
amounts are unsigned and small, `bits` is only taken from nets; min, max, abs and saturate are comparisons and
choices. What is used more than once has a name, and so has each part of an expression that would fill a line.
Logic that nothing depends on is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gemel.hwsynth.dag import modules_of, shape, whole
from gemel.hwsynth.delaylines import delay_lines
from gemel.hwsynth.lowering import Lowered, Lowering, const, uint
from gemel.hwsynth.netlist import Module, NetType
from gemel.hwsynth.prune import prune
from gemel.hwsynth.share import share
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, BoolType, IntType
from gemel.semantics.ir import Const, Expr
from gemel.semantics.ops import Op

AMOUNT_WIDTH = 12
"""Shift amounts wider than this are compared with the operand's width first: tools disagree on huge ones."""


def lower(top: Module) -> tuple[Lowered, ...]:
    """The modules inside `top`, and `top` as the last one, in the printable form; `top` must be valid."""
    done: dict[Module, Lowered] = {}
    for m in modules_of(top):
        instances = tuple(replace(i, module=done[i.module].module) for i in m.instances)
        tidy = prune(share(prune(replace(m, instances=instances, reset=top.reset))))
        layout = replace(tidy.layout, rows=delay_lines(tidy))
        done[m] = Lowering(replace(tidy, layout=layout), _RULES).module()
    return tuple(done.values())


# ---------------------------------------------------------------------------------------------------- one rule per op


def _same_type(low: Lowering, op: Op, out: NetType, *args: Expr) -> Expr:
    return low.make(op, *(low.to(a, out) for a in args), dtype=out)


def _sum(low: Lowering, op: Op, out: NetType, a: Expr, b: Expr) -> Expr:
    """A sum, with a literal below 0 as a difference."""
    if isinstance(b, Const) and -whole(out).hi <= b.value < 0:
        return _same_type(low, ops.SUB, out, a, const(-int(b.value), whole(out), b))
    return _same_type(low, op, out, a, b)


def _comparison(low: Lowering, op: Op, out: NetType, a: Expr, b: Expr) -> Expr:
    return low.compare(op, a, b)


def _logic(low: Lowering, op: Op, out: NetType, *args: Expr) -> Expr:
    return low.make(op, *args, dtype=BOOL)


def _select(low: Lowering, op: Op, out: NetType, cond: Expr, a: Expr, b: Expr) -> Expr:
    return low.select(cond, a, b, out)


def _cast(low: Lowering, op: Op, out: NetType, a: Expr) -> Expr:
    return low.to(a, out)


def _bitcast(low: Lowering, op: Op, out: NetType, a: Expr) -> Expr:
    return low.reread(a, out)


def _saturate(low: Lowering, op: Op, out: NetType, a: Expr) -> Expr:
    if isinstance(out, BoolType):
        return low.to(a, out)
    a, t, target = low.name(a), shape(a), out
    result = low.to(a, target)
    if t.hi > target.hi:
        limit = const(target.hi, target, a)
        result = low.select(low.compare(ops.GT, a, limit), limit, result, target)
    if t.lo < target.lo:
        limit = const(target.lo, target, a)
        result = low.select(low.compare(ops.LT, a, limit), limit, result, target)
    return result


def _abs(low: Lowering, op: Op, out: NetType, a: Expr) -> Expr:
    return low.to(_magnitude(low, a), out)


def _magnitude(low: Lowering, a: Expr) -> Expr:
    """|a| as an unsigned integer of the same width."""
    a = low.name(a)
    if not shape(a).signed:
        return low.to(a, uint(shape(a).width))
    flipped = low.make(ops.NEG, a, dtype=shape(a))
    return low.to(low.select(low.negative(a), flipped, a, shape(a)), uint(shape(a).width))


def _choose(least: bool) -> Callable[..., Expr]:
    def rule(low: Lowering, op: Op, out: NetType, a: Expr, b: Expr) -> Expr:
        a, b = low.name(a), low.name(b)
        first, second = (a, b) if least else (b, a)
        return low.select(low.compare(ops.LT, a, b), first, second, out)

    return rule


def _bits(low: Lowering, op: Op, out: NetType, a: Expr, hi: Expr, lo: Expr) -> Expr:
    if not (isinstance(hi, Const) and isinstance(lo, Const)):
        raise TypeError("bits with bounds that are no literals")
    return low.to(low.slice(a, int(hi.value), int(lo.value)), out)


def _concat(low: Lowering, op: Op, out: NetType, *args: Expr) -> Expr:
    return low.make(ops.CONCAT, *args, dtype=out)


def _amount(low: Lowering, amount: Expr) -> Expr:
    """The shift amount as an unsigned integer; a negative one counts as 0."""
    if not shape(amount).signed:
        return amount
    if isinstance(amount, Const):
        return const(max(int(amount.value), 0), uint(max(1, int(amount.value).bit_length())), amount)
    amount = low.name(amount)
    top = shape(amount).width - 1
    if top == 0:
        return const(0, uint(1), amount)
    rest = low.slice(amount, top - 1, 0)
    return low.select(low.negative(amount), const(0, uint(top), amount), rest, uint(top))


def _capped(low: Lowering, amount: Expr, most: int) -> Expr:
    """min(amount, most) for amounts of a width that tools disagree on, else the amount."""
    if shape(amount).width <= AMOUNT_WIDTH:
        return amount
    amount, t = low.name(amount), uint(most.bit_length())
    limit = const(most, t, amount)
    return low.select(low.compare(ops.GT, amount, limit), limit, low.slice(amount, t.width - 1, 0), t)


def _shl(low: Lowering, op: Op, out: NetType, a: Expr, amount: Expr) -> Expr:
    amount, t = _amount(low, amount), whole(out)
    if isinstance(amount, Const) and amount.value >= t.width:
        return const(0, t, a)
    if isinstance(amount, Const) and amount.value == 0:
        return low.to(a, t)
    if isinstance(amount, Const) and not t.signed:
        kept = low.to(a, uint(t.width - int(amount.value)))
        return low.make(ops.CONCAT, kept, const(0, uint(int(amount.value)), a), dtype=t)
    return low.make(ops.SHL, low.to(a, t), _capped(low, amount, t.width), dtype=t)


def _shr(low: Lowering, op: Op, out: NetType, a: Expr, amount: Expr) -> Expr:
    amount, t = _amount(low, amount), shape(a)
    if isinstance(amount, Const):
        return _shr_by(low, out, a, int(amount.value))
    return low.to(low.make(ops.SHR, low.to(a, t), _capped(low, amount, t.width), dtype=t), out)


def _shr_by(low: Lowering, out: NetType, a: Expr, amount: int) -> Expr:
    t = shape(a)
    if amount >= t.width and not t.signed:
        return const(0, whole(out), a)
    amount = min(amount, t.width - 1)
    hi = min(t.width, amount + whole(out).width) - 1
    return low.to(low.slice(a, hi, amount, IntType(hi - amount + 1, t.signed)), out)


def _divisor_power(b: Expr) -> int | None:
    """k where b is the literal 2**k."""
    value = int(b.value) if isinstance(b, Const) else 0
    return value.bit_length() - 1 if value > 0 and value & (value - 1) == 0 else None


def _floordiv(low: Lowering, op: Op, out: NetType, a: Expr, b: Expr) -> Expr:
    power = _divisor_power(b)
    if power is not None:
        return _shr_by(low, out, a, power)
    a, b = low.name(a), low.name(b)
    signs = _differ(low, a, b)
    top, bottom = _common_unsigned(low, a, b, 1)
    if isinstance(signs, Const) and not signs.value:
        return low.to(_divide(low, ops.FLOORDIV, top, bottom), out)
    signs, t = low.name(signs, f"{low.owner}_neg"), shape(top)
    less_one = low.make(ops.SUB, bottom, const(1, t, b), dtype=t)
    rounded = low.select(signs, low.make(ops.ADD, top, less_one, dtype=t), top, t)
    quotient = low.to(_divide(low, ops.FLOORDIV, low.name(rounded, f"{low.owner}_num"), bottom), out)
    quotient = low.name(quotient, f"{low.owner}_quo")
    return low.select(signs, low.make(ops.NEG, quotient, dtype=out), quotient, out)


def _mod(low: Lowering, op: Op, out: NetType, a: Expr, b: Expr) -> Expr:
    power = _divisor_power(b)
    if power is not None:
        return _low_bits(low, out, a, power)
    a, b = low.name(a), low.name(b)
    signs = _differ(low, a, b)
    top, bottom = _common_unsigned(low, a, b, 0)
    rest = _divide(low, ops.MOD, top, bottom)
    if isinstance(signs, Const) and not signs.value and not shape(b).signed:
        return low.to(rest, out)
    rest, t = low.name(rest, f"{low.owner}_rem"), shape(top)
    flip = low.make(
        ops.LAND, low.name(signs, f"{low.owner}_neg"), low.compare(ops.NE, rest, const(0, t, a)), dtype=BOOL
    )
    size = low.select(flip, low.make(ops.SUB, bottom, rest, dtype=t), rest, t)
    size = low.name(low.to(size, out), f"{low.owner}_size")
    return low.select(low.negative(b), low.make(ops.NEG, size, dtype=out), size, out)


def _low_bits(low: Lowering, out: NetType, a: Expr, count: int) -> Expr:
    """a modulo 2**count."""
    if count == 0:
        return const(0, whole(out), a)
    t = shape(a)
    if count > t.width:
        a = low.to(a, IntType(count, t.signed))
    return low.to(low.slice(a, min(count, shape(a).width) - 1, 0), out)


def _differ(low: Lowering, a: Expr, b: Expr) -> Expr:
    """Whether the signs differ."""
    x, y = low.negative(a), low.negative(b)
    if isinstance(x, Const):
        x, y = y, x
    if isinstance(y, Const):
        return low.make(ops.LNOT, x, dtype=BOOL) if y.value else x
    return low.make(ops.NE, x, y, dtype=BOOL)


def _common_unsigned(low: Lowering, a: Expr, b: Expr, spare: int) -> tuple[Expr, Expr]:
    """|a| and |b|, named, at a common width with `spare` bits more where a rounding up needs them."""
    signed = shape(a).signed or shape(b).signed
    t = uint(max(shape(a).width, shape(b).width) + (spare if signed else 0))
    top = low.name(low.to(_magnitude(low, a), t), f"{low.owner}_num")
    return top, low.name(low.to(_magnitude(low, b), t), f"{low.owner}_den")


def _divide(low: Lowering, op: Op, a: Expr, b: Expr) -> Expr:
    """The unsigned quotient or remainder, 0 for a divisor of 0."""
    t = shape(a)
    zero, result = const(0, t, a), low.make(op, a, b, dtype=t)
    return low.select(low.compare(ops.EQ, b, zero), zero, result, t)


_RULES: dict[Op, Callable[..., Expr]] = {
    **dict.fromkeys((ops.SUB, ops.MUL, ops.NEG, ops.AND, ops.OR, ops.XOR, ops.INVERT), _same_type),
    ops.ADD: _sum,
    **dict.fromkeys((ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE), _comparison),
    **dict.fromkeys((ops.LAND, ops.LOR, ops.LNOT), _logic),
    ops.SELECT: _select,
    ops.CAST: _cast,
    ops.BITCAST: _bitcast,
    ops.SATURATE: _saturate,
    ops.ABS: _abs,
    ops.MIN: _choose(True),
    ops.MAX: _choose(False),
    ops.BITS: _bits,
    ops.CONCAT: _concat,
    ops.SHL: _shl,
    ops.SHR: _shr,
    ops.FLOORDIV: _floordiv,
    ops.MOD: _mod,
}
