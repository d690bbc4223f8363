"""The type rules of the op table: which operand types an op takes and which type its result has.

A rule sees each operand's type and, where it is a literal, its value, so that `x & 15` is as narrow as it can be.
Integer results are exact: they hold every value that the operands can give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from gemel.semantics.dtypes import (
    BOOL,
    INDEX,
    MAX_EXACT,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    as_int,
    int_holding,
    width_of,
)


class Operand(NamedTuple):
    """An operand as a type rule sees it; `value` is set for literals."""

    dtype: DType
    value: bool | int | float | None = None


Rule = Callable[[tuple[Operand, ...]], DType]


class RuleError(Exception):
    """The operands don't fit; `code` as in `errors.CATALOGUE`."""

    def __init__(self, what: str, mend: str = "", code: str = "T01") -> None:
        super().__init__(what)
        self.what, self.mend, self.code = what, mend, code


def integer(width: int, signed: bool) -> IntType:
    """The integer type, or a RuleError where it is wider than any may be."""
    if width > MAX_EXACT:
        raise RuleError(
            f"the exact result would be {width} bits wide; at most {MAX_EXACT} are allowed",
            "narrow an operand first, for example gm.cast({0}, i32)",
            "T06",
        )
    return IntType(width, signed)


def _mixed(what: str, a: DType, b: DType) -> RuleError:
    floats = [t for t in (a, b) if isinstance(t, FloatType)]
    if len(floats) == 2:
        return RuleError(f"{what} of {a} and {b}", f"cast one side: gm.cast({{0}}, {b}) or gm.cast({{1}}, {a})", "T03")
    if floats:
        return RuleError(
            f"{what} of {a} and {b}: an integer is never converted to a float silently",
            f"cast the {b if floats[0] is a else a} side: gm.cast({{{int(floats[0] is a)}}}, {floats[0]})",
            "T02",
        )
    return RuleError(f"{what} of {a} and {b}")


def as_fixed(dtype: DType) -> FixedType | None:
    """The fixed-point type with the values of an integer, bool or fixed type; None for floats."""
    if isinstance(dtype, FixedType):
        return dtype
    whole = as_int(dtype)
    return FixedType(whole.width, 0, whole.signed) if whole else None


def _numeric(what: str, ints: Callable[[IntType, IntType], IntType], fixed: Rule) -> Rule:
    """The rule of a two-sided arithmetic op from its rules for integers and for fixed point."""

    def rule(operands: tuple[Operand, ...]) -> DType:
        a, b = operands[0].dtype, operands[1].dtype
        if isinstance(a, IndexType) and isinstance(b, IndexType):
            return INDEX
        ia, ib = as_int(a), as_int(b)
        if ia and ib:
            return ints(ia, ib)
        if isinstance(a, FloatType) and a == b:
            return a
        if as_fixed(a) and as_fixed(b):
            return fixed(operands)
        raise _mixed(what, a, b)

    return rule


def _add_int(a: IntType, b: IntType) -> IntType:
    joined = _join_int(a, b)
    return integer(joined.width + 1, joined.signed)


def _sub_int(a: IntType, b: IntType) -> IntType:
    return integer(_join_int(a, b).width + 1, True)


def _mul_int(a: IntType, b: IntType) -> IntType:
    return integer(a.width + b.width, a.signed or b.signed)


def _join_int(a: IntType, b: IntType) -> IntType:
    if a.signed == b.signed:
        return integer(max(a.width, b.width), a.signed)
    signed, unsigned = (a, b) if a.signed else (b, a)
    return integer(max(signed.width, unsigned.width + 1), True)


def _aligned(operands: tuple[Operand, ...]) -> tuple[FixedType, FixedType, int]:
    a, b = as_fixed(operands[0].dtype), as_fixed(operands[1].dtype)
    if a is None or b is None:
        raise _mixed("arithmetic", operands[0].dtype, operands[1].dtype)
    return a, b, max(a.frac, b.frac)


def _raw_at(t: FixedType, frac: int) -> IntType:
    return integer(t.width + frac - t.frac, t.signed)


def _fixed_like(ints: Callable[[IntType, IntType], IntType]) -> Rule:
    def rule(operands: tuple[Operand, ...]) -> DType:
        a, b, frac = _aligned(operands)
        raw = ints(_raw_at(a, frac), _raw_at(b, frac))
        return FixedType(raw.width, frac, raw.signed)

    return rule


def _fixed_mul(operands: tuple[Operand, ...]) -> DType:
    a, b, _ = _aligned(operands)
    raw = _mul_int(a.raw, b.raw)
    return FixedType(raw.width, a.frac + b.frac, raw.signed)


add = _numeric("addition", _add_int, _fixed_like(_add_int))
sub = _numeric("subtraction", _sub_int, _fixed_like(_sub_int))
mul = _numeric("multiplication", _mul_int, _fixed_mul)


def _raw_mend(what: str, dtype: DType, mend: str) -> str:
    """How to mend an operand: there is no quotient of fixed point, but one of the integers that it is kept as."""
    if what not in ("/", "//") or not isinstance(dtype, FixedType):
        return mend
    raw = f"gm.{'Int' if dtype.signed else 'UInt'}({dtype.width})"
    return f"divide the raw integers: (gm.bitcast({{0}}, {raw}) << {dtype.frac}) // gm.bitcast({{1}}, {raw})"


def _integers(what: str, operands: tuple[Operand, ...], mend: str = "") -> tuple[IntType, ...]:
    found = []
    for operand in operands:
        whole = as_int(operand.dtype)
        if whole is None:
            raise RuleError(f"{what} needs integers, not {operand.dtype}", _raw_mend(what, operand.dtype, mend))
        found.append(whole)
    return tuple(found)


def floordiv(operands: tuple[Operand, ...]) -> DType:
    """The quotient rounded down: one bit wider only where -lo / -1 can occur."""
    a, b = _integers("//", operands, "for floats write gm.floor({0} / {1})")
    if isinstance(operands[0].dtype, IndexType) and isinstance(operands[1].dtype, IndexType):
        return INDEX
    value = operands[1].value
    if isinstance(value, int) and value > 0:
        return int_holding(a.lo // value, a.hi // value)
    return integer(a.width + 1, True) if b.signed else a


def mod(operands: tuple[Operand, ...]) -> DType:
    """The remainder with the divisor's sign, as in Python."""
    _, b = _integers("%", operands, "for floats write {0} - gm.floor({0} / {1}) * {1}")
    if isinstance(operands[0].dtype, IndexType) and isinstance(operands[1].dtype, IndexType):
        return INDEX
    value = operands[1].value
    return int_holding(0, value - 1) if isinstance(value, int) and value > 0 else b


def floats_only(what: str, mend: str) -> Rule:
    """The rule of an op whose operands and result are all of one float format."""

    def rule(operands: tuple[Operand, ...]) -> DType:
        first = operands[0].dtype
        for operand in operands:
            if not isinstance(operand.dtype, FloatType):
                raise RuleError(f"{what} needs floats, not {operand.dtype}", _raw_mend(what, operand.dtype, mend))
            if operand.dtype != first:
                raise _mixed(what, first, operand.dtype)
        return first

    return rule


def neg(operands: tuple[Operand, ...]) -> DType:
    """One bit wider, so that the least value can be negated."""
    dtype = operands[0].dtype
    if isinstance(dtype, IndexType | FloatType):
        return dtype
    if isinstance(dtype, FixedType):
        return FixedType(integer(dtype.width + 1, True).width, dtype.frac, True)
    (whole,) = _integers("negation", operands)
    return integer(whole.width + 1, True)


def absolute(operands: tuple[Operand, ...]) -> DType:
    """Unsigned and of the same width: it holds the least value's size."""
    dtype = operands[0].dtype
    if isinstance(dtype, IndexType | FloatType):
        return dtype
    if isinstance(dtype, FixedType):
        return FixedType(dtype.width, dtype.frac, False)
    (whole,) = _integers("abs", operands)
    return IntType(whole.width, False)


def join(a: DType, b: DType, what: str = "a choice") -> DType:
    """The narrowest type that holds all values of both."""
    if a == b:
        return a
    ia, ib = as_int(a), as_int(b)
    if ia and ib:
        return INDEX if IndexType() in (a, b) and _join_int(ia, ib).width <= 64 else _join_int(ia, ib)
    fa, fb = as_fixed(a), as_fixed(b)
    if fa and fb:
        frac = max(fa.frac, fb.frac)
        raw = _join_int(_raw_at(fa, frac), _raw_at(fb, frac))
        return FixedType(raw.width, frac, raw.signed)
    raise _mixed(what, a, b)


def both(what: str) -> Rule:
    """The rule of min and max."""
    return lambda operands: join(operands[0].dtype, operands[1].dtype, what)


def bitwise(what: str) -> Rule:
    """Two's complement of unbounded length, as in Python; `&` with a value that is never negative is neither."""

    def rule(operands: tuple[Operand, ...]) -> DType:
        if all(isinstance(o.dtype, BoolType) for o in operands):
            return BOOL
        if all(isinstance(o.dtype, IndexType) for o in operands):
            return _masked_index(operands) if what == "&" else INDEX
        a, b = (_literal_type(o, t) for o, t in zip(operands, _integers(what, operands), strict=True))
        if what == "&" and not (a.signed and b.signed):
            return IntType(min(t.width for t in (a, b) if not t.signed), False)
        return _join_int(a, b)

    return rule


def _masked_index(operands: tuple[Operand, ...]) -> DType:
    masks = [o.value for o in operands if isinstance(o.value, int) and o.value >= 0]
    return int_holding(0, min(masks)) if masks else INDEX


def _literal_type(operand: Operand, dtype: IntType) -> IntType:
    value = operand.value
    return int_holding(0, value) if isinstance(value, int) and value >= 0 else dtype


def invert(operands: tuple[Operand, ...]) -> DType:
    """-x - 1: the same type if signed, one bit wider and signed if not."""
    dtype = operands[0].dtype
    if isinstance(dtype, BoolType):
        raise RuleError("~ of a bool is -1 or -2 in Python", "write `not {0}`")
    if isinstance(dtype, IndexType):
        return INDEX
    (whole,) = _integers("~", operands)
    return whole if whole.signed else integer(whole.width + 1, True)


def shl(operands: tuple[Operand, ...]) -> DType:
    """Wide enough for the largest shift amount."""
    a, amount = _integers("<<", operands)
    value = operands[1].value
    if isinstance(value, int):  # a negative amount fails when it runs
        return INDEX if isinstance(operands[0].dtype, IndexType) else integer(a.width + max(value, 0), a.signed)
    if amount.signed or amount.width > 12:
        raise RuleError(
            f"the exact result of << by an amount of type {operands[1].dtype} has no fixed width",
            "mask the amount: `{0} << ({1} & 31)`, or give it a narrow unsigned type such as gm.UInt(5)",
            "T05",
        )
    return integer(a.width + amount.hi, a.signed)


def shr(operands: tuple[Operand, ...]) -> DType:
    """The value divided by a power of two, rounded down."""
    a, _ = _integers(">>", operands)
    value = operands[1].value
    if isinstance(operands[0].dtype, IndexType):
        return INDEX
    return integer(max(1, a.width - max(value, 0)), a.signed) if isinstance(value, int) else a


def compare(operands: tuple[Operand, ...]) -> DType:
    """bool, of two numbers of any integer or fixed types, or of one float format."""
    join(operands[0].dtype, operands[1].dtype, "comparison")
    return BOOL


def logical(operands: tuple[Operand, ...]) -> DType:
    """bool of bools."""
    for operand in operands:
        if not isinstance(operand.dtype, BoolType):
            raise RuleError(f"and/or/not needs bools, not {operand.dtype}", "compare: `x != 0`")
    return BOOL


def select(operands: tuple[Operand, ...]) -> DType:
    """The joined type of the two choices."""
    if not isinstance(operands[0].dtype, BoolType):
        raise RuleError(f"a condition is a bool, not {operands[0].dtype}", "compare: `{0} != 0`")
    return join(operands[1].dtype, operands[2].dtype)


def bits(operands: tuple[Operand, ...]) -> DType:
    """Bits hi..lo (both literals) of the operand's two's-complement pattern, unsigned."""
    hi, lo = operands[1].value, operands[2].value
    if not (isinstance(hi, int) and isinstance(lo, int) and 0 <= lo <= hi):
        raise RuleError("gm.bits needs compile-time bounds with hi >= lo >= 0")
    if isinstance(operands[0].dtype, FloatType):
        raise RuleError("gm.bits of a float", "write gm.bits(gm.bitcast({0}, u32), hi, lo)")
    width = width_of(operands[0].dtype)
    if hi >= width:
        raise RuleError(
            f"bit {hi} of a value of {width} bits", f"its bits are {width - 1} to 0: gm.bits({{0}}, {width - 1}, 0)"
        )
    return IntType(hi - lo + 1, False)


def concat(operands: tuple[Operand, ...]) -> DType:
    """The patterns side by side, the first on top, unsigned."""
    return integer(sum(t.width for t in _integers("gm.concat", operands)), False)


def is_signed(dtype: DType) -> bool:
    """Whether values of the type can be negative."""
    return isinstance(dtype, FloatType | IndexType) or (isinstance(dtype, IntType | FixedType) and dtype.signed)


def holds(target: DType, source: DType) -> bool:
    """Whether each value of `source` is also one of `target`."""
    if target == source:
        return True
    if isinstance(target, FloatType) and isinstance(source, FloatType):
        more = target.exponent >= source.exponent and target.mantissa >= source.mantissa
        return more and not target.finite
    if isinstance(target, FloatType) or isinstance(source, FloatType) or isinstance(target, BoolType):
        return False
    t, s = as_fixed(target), as_fixed(source)
    if t is None or s is None or s.frac > t.frac:
        return False
    raw = _raw_at(s, t.frac)
    return t.raw.lo <= raw.lo and raw.hi <= t.raw.hi
