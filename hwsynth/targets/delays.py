"""The delay of an operator on a target, from the rows of the target's data."""

from __future__ import annotations

from math import log

from gemel.hwsynth.targets.files import Target
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, DType, width_of
from gemel.semantics.ir import Apply, Const
from gemel.semantics.typerules import is_signed

_WIRES = (ops.CAST, ops.BITCAST, ops.BITS, ops.CONCAT)
_ORDERED = (ops.LT, ops.LE, ops.GT, ops.GE)
_EQUAL = (ops.EQ, ops.NE)
_SUMS = (ops.ADD, ops.SUB, ops.NEG)
_CHOOSERS = (ops.MIN, ops.MAX, ops.ABS, ops.SATURATE)
_GATES = (ops.AND, ops.OR, ops.XOR, ops.INVERT, ops.LAND, ops.LOR, ops.LNOT)
_SHIFTS = {ops.SHL: "shift_left", ops.SHR: "shift_right"}

WIDEST = 512
"""Operators wider than this are done in parts of it."""

SIGN = 1e-3
"""The delay of a comparison that is the sign bit: next to nothing, but not 0."""


def delay(t: Target, e: Apply) -> float:
    """The delay of one operator in ns; literal operands make it wires where it would be by gates with a constant."""
    width = max(width_of(e.dtype), *(width_of(a.dtype) for a in e.args))
    constants = sum(isinstance(a, Const) for a in e.args)
    if e.op in _WIRES:
        return 0.0 if e.dtype != BOOL or width == 1 else t.rows["equal_constant"].delay(width)
    if e.op in _GATES:
        return 0.0 if constants or len(e.args) == 1 else _packed(t, 2)
    if e.op in _CHOOSERS:
        return t.rows["less"].delay(width) + choice(t, width)
    if e.op in _SHIFTS:
        return 0.0 if isinstance(e.args[1], Const) else t.rows[_SHIFTS[e.op]].delay(width)
    if e.op is ops.SELECT:
        return 0.0 if all(isinstance(a, Const) for a in e.args[1:]) else choice(t, width_of(e.dtype))
    return _arithmetic(t, e, width, bool(constants))


def _arithmetic(t: Target, e: Apply, width: int, constant: bool) -> float:
    if e.op in _SUMS:
        return t.rows["increment" if constant else "add"].delay(width)
    operand = max(width_of(a.dtype) for a in e.args if not isinstance(a, Const))
    if e.op in _ORDERED:
        return SIGN if _is_sign(e) else t.rows["less_constant" if constant else "less"].delay(operand)
    if e.op in _EQUAL:
        return t.rows["equal_constant" if constant else "equal"].delay(operand)
    return _multiply(t, e, width) if e.op is ops.MUL else _packed(t, 2)


def _packed(t: Target, inputs: int) -> float:
    """A gate's part of a level: as many gates as fill a look-up table are one."""
    return t.level * log(inputs, max(t.fabric.inputs, inputs))


def choice(t: Target, width: int) -> float:
    """A choice's part of a level, and what its condition's load adds with the width."""
    row = t.rows["select"]
    return _packed(t, 3) + max(0.0, row.delay(width) - row.delay(1))


def _is_sign(e: Apply) -> bool:
    return e.op in (ops.LT, ops.GE) and isinstance(e.args[1], Const) and not e.args[1].value


def _multiply(t: Target, e: Apply, width: int) -> float:
    constant = next((a for a in e.args if isinstance(a, Const)), None)
    if constant is not None and int(constant.value).bit_count() <= 2:
        return t.rows["add"].delay(width) * (int(constant.value).bit_count() - 1)
    a, b = e.args
    return t.rows["multiply"].delay(factors(t, a.dtype, b.dtype))


def factors(t: Target, a: DType, b: DType) -> int:
    """The size at which the row of products, which is of square ones, holds for two factors: beyond what is the narrow
    side of a multiplier, its wide side costs no more."""
    wide = max(width_of(a), width_of(b))
    return min(wide, t.multiplier[1]) if one_multiplier(t, a, b) else wide


def one_multiplier(t: Target, a: DType, b: DType) -> bool:
    """Whether a multiplier of the target holds both factors."""
    narrow, wide = sorted(width_of(n) + (not is_signed(n)) for n in (a, b))
    return wide <= t.multiplier[0] and narrow <= t.multiplier[1]


def widest(t: Target, row: str, room: float) -> int:
    """The widest operator of a row whose delay fits a time in ns; 0 where none does."""
    return max((w for w in range(1, WIDEST) if t.rows[row].delay(w) <= room), default=0)
