"""Integers in LLVM IR: how they are held, brought to a width, and computed with at any width.

An integer is held at its storage width, extended by its sign; so a value read as a number of the wider type is right
as it is, and only an op whose result the type can't hold has to bring the value back into range.
"""

from __future__ import annotations

from gemel.codegen.emitter import Emitter
from gemel.semantics import intervals, ops
from gemel.semantics.convert import wrap
from gemel.semantics.dtypes import BoolType, DType, IntType, as_int, int_holding, storage_bits
from gemel.semantics.intervals import Interval

Arg = tuple[str, DType]
"""An operand: its LLVM value or literal, and its type."""


def integer_type(dtype: DType) -> IntType:
    """The integer type of a bool, int or index."""
    whole = as_int(dtype)
    if whole is None:
        raise TypeError(f"no integer: {dtype}")
    return whole


def held_bits(dtype: DType) -> int:
    """The width of the LLVM type that holds a value."""
    return 1 if isinstance(dtype, BoolType) else storage_bits(dtype)


def known(value: str) -> int | None:
    """The number that a literal stands for; None for a computed value."""
    if value in ("true", "false"):
        return int(value == "true")
    return int(value) if value.lstrip("-").isdigit() else None


def span(arg: Arg) -> Interval:
    """The values that an operand can have."""
    number = known(arg[0])
    if number is not None:
        return number, number
    whole = integer_type(arg[1])
    return whole.lo, whole.hi


def common(*args: Arg) -> IntType:
    """The narrowest type that has all values of the operands."""
    spans = [span(a) for a in args]
    return int_holding(min(lo for lo, _ in spans), max(hi for _, hi in spans))


def resized(out: Emitter, value: str, bits: int, target: int, signed: bool) -> str:
    """A value of `bits` bits at `target` bits: cut, or extended by its sign."""
    if bits == target:
        return value
    if bits > target:
        return out.value(f"trunc i{bits} {value} to i{target}")
    return out.value(f"{'sext' if signed else 'zext'} i{bits} {value} to i{target}")


def at(out: Emitter, arg: Arg, bits: int) -> str:
    """An operand as a number of `bits` bits, modulo 2**bits."""
    value, dtype = arg
    number = known(value)
    if number is not None:
        return str(wrap(number, IntType(bits, True)))
    return resized(out, value, held_bits(dtype), bits, integer_type(dtype).signed)


def holds(dtype: DType, values: Interval) -> bool:
    """Whether a type has all values of an interval."""
    whole = integer_type(dtype)
    return whole.lo <= values[0] and values[1] <= whole.hi


def fit(out: Emitter, value: str, bits: int, values: Interval, dtype: DType) -> str:
    """A number of `bits` bits, whose range is `values`, as a value of `dtype`: wrapped if that can't hold it."""
    held, whole = held_bits(dtype), integer_type(dtype)
    value = resized(out, value, bits, held, values[0] < 0)
    if whole.width == held or holds(dtype, values):
        return value
    if not whole.signed:
        return out.value(f"and i{held} {value}, {whole.hi}")
    up = out.value(f"shl i{held} {value}, {held - whole.width}")
    return out.value(f"ashr i{held} {up}, {held - whole.width}")


def _flags(bits: int, values: Interval, args: list[Arg]) -> str:
    """Where operands and exact result are numbers of `bits` bits, LLVM may know that nothing overflows."""
    lo = min(values[0], *(span(a)[0] for a in args))
    hi = max(values[1], *(span(a)[1] for a in args))
    plain = "nuw " if lo >= 0 and hi < 1 << bits else ""
    return plain + ("nsw " if -1 << (bits - 1) <= lo and hi < 1 << (bits - 1) else "")


# ---------------------------------------------------------------------------------------------- arithmetic, bit by bit


def arithmetic(out: Emitter, instruction: str, values: Interval, dtype: DType, args: list[Arg]) -> str:
    """add, sub or mul: the low bits of the result come from the low bits of the operands."""
    bits = held_bits(dtype)
    a, b = (at(out, x, bits) for x in args)
    return fit(out, out.value(f"{instruction} {_flags(bits, values, args)}i{bits} {a}, {b}"), bits, values, dtype)


def bitwise(out: Emitter, instruction: str, values: Interval, dtype: DType, args: list[Arg]) -> str:
    """and, or, xor."""
    bits = held_bits(dtype)
    a, b = (at(out, x, bits) for x in args)
    return fit(out, out.value(f"{instruction} i{bits} {a}, {b}"), bits, values, dtype)


def absolute(out: Emitter, dtype: DType, arg: Arg) -> str:
    """The size; of the least value it is a number of the unsigned type."""
    bits = max(held_bits(arg[1]), held_bits(dtype), 8)
    lo, hi = span(arg)
    x = at(out, arg, bits)
    if lo < 0:
        x = out.call(f"i{bits}", f"llvm.abs.i{bits}", (f"i{bits}", x), ("i1", "false"))
    return fit(out, x, bits, (0, max(abs(lo), abs(hi))), dtype)


def extreme(out: Emitter, which: str, dtype: DType, args: list[Arg]) -> str:
    """`which` is min or max."""
    joined = common(*args)
    bits = storage_bits(joined)
    a, b = (at(out, x, bits) for x in args)
    sign, kind = ("s" if joined.signed else "u"), f"i{bits}"
    best = out.call(kind, f"llvm.{sign}{which}.{kind}", (kind, a), (kind, b))
    (lo, hi), (low, high) = map(span, args)
    pick = min if which == "min" else max
    return fit(out, best, bits, (pick(lo, low), pick(hi, high)), dtype)


def compare(out: Emitter, predicate: str, args: list[Arg]) -> str:
    """eq, ne, lt, le, gt, ge of the numbers."""
    joined = common(*args)
    bits = storage_bits(joined)
    a, b = (at(out, x, bits) for x in args)
    sign = "" if predicate in ("eq", "ne") else ("s" if joined.signed else "u")
    return out.value(f"icmp {sign}{predicate} i{bits} {a}, {b}")


def clamped(out: Emitter, arg: Arg, dtype: DType) -> str:
    """The number of `dtype` that is nearest."""
    target, (lo, hi) = integer_type(dtype), span(arg)
    joined = int_holding(min(lo, target.lo), max(hi, target.hi))
    bits = storage_bits(joined)
    kind, sign = f"i{bits}", "s" if joined.signed else "u"
    x = at(out, arg, bits)
    if lo < target.lo:
        x = out.call(kind, f"llvm.{sign}max.{kind}", (kind, x), (kind, str(target.lo)))
    if hi > target.hi:
        x = out.call(kind, f"llvm.{sign}min.{kind}", (kind, x), (kind, str(target.hi)))
    return fit(out, x, bits, (max(lo, target.lo), min(hi, target.hi)), dtype)


# --------------------------------------------------------------------------------------------------- shifts and fields


def _amount(out: Emitter, arg: Arg, limit: int, bits: int) -> tuple[str, str | None]:
    """A shift amount at `bits` bits, negative ones as 0, at most `limit`; and where it may be above, whether it is."""
    number = known(arg[0])
    if number is not None:
        return str(min(max(number, 0), limit)), "true" if number > limit else None
    value, own = arg[0], held_bits(arg[1])
    lo, hi = span(arg)
    if lo < 0:
        value = out.call(f"i{own}", f"llvm.smax.i{own}", (f"i{own}", value), (f"i{own}", "0"))
    over = None
    if hi > limit:
        over = out.value(f"icmp ugt i{own} {value}, {limit}")
        value = out.call(f"i{own}", f"llvm.umin.i{own}", (f"i{own}", value), (f"i{own}", str(limit)))
    return resized(out, value, own, bits, False), over


def shift_left(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    """x * 2**amount."""
    bits, (lo, hi), most = held_bits(dtype), span(args[0]), span(args[1])[1]
    x = at(out, args[0], bits)
    amount, over = _amount(out, args[1], bits - 1, bits)
    moved = out.value(f"shl i{bits} {x}, {amount}")
    if over is not None:
        moved = out.select(over, f"i{bits}", "0", moved)
    wide = integer_type(dtype).width + 1  # enough to see that the result doesn't fit
    grown = max(0, min(most, wide))
    return fit(out, moved, bits, (min(lo, lo << grown), max(hi, hi << grown)), dtype)


def shift_right(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    """x / 2**amount, rounded down."""
    (lo, hi), number = span(args[0]), known(args[1][0])
    bits = max(held_bits(args[0][1]), 8)
    x = at(out, args[0], bits)
    amount, over = _amount(out, args[1], bits - 1, bits)
    moved = out.value(f"{'ashr' if lo < 0 else 'lshr'} i{bits} {x}, {amount}")
    if over is not None and hi >= 1 << (bits - 1):
        moved = out.select(over, f"i{bits}", "0", moved)
    least = 0 if number is None else max(number, 0)
    most = least if number is not None else hi.bit_length() + lo.bit_length()
    ends = [end >> n for end in (lo, hi) for n in (least, most)]
    return fit(out, moved, bits, (min(ends), max(ends)), dtype)


def field(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    """Bits hi..lo of the first operand's pattern; hi and lo are literals."""
    high, low = (known(a[0]) or 0 for a in args[1:])
    bits = max(held_bits(args[0][1]), 8)
    x = at(out, args[0], bits)
    moved = out.value(f"lshr i{bits} {x}, {low}") if low else x
    mask = (1 << (high - low + 1)) - 1
    cut = out.value(f"and i{bits} {moved}, {mask}")
    return fit(out, cut, bits, (0, mask), dtype)


def concatenated(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    """The two patterns side by side, the first on top."""
    bits = max(held_bits(dtype), 8)
    widths = [integer_type(t).width for _, t in args]
    patterns = []
    for arg, width in zip(args, widths, strict=True):
        x = at(out, arg, bits)
        negative = span(arg)[0] < 0 and width < bits
        patterns.append(out.value(f"and i{bits} {x}, {(1 << width) - 1}") if negative else x)
    moved = out.value(f"shl i{bits} {patterns[0]}, {widths[1]}") if widths[1] < bits else "0"
    result = out.value(f"or i{bits} {moved}, {patterns[1]}")
    return fit(out, result, bits, (0, (1 << sum(widths)) - 1), dtype)


# ------------------------------------------------------------------------------------------------------------ division


def divide(out: Emitter, remainder: bool, values: Interval, dtype: DType, args: list[Arg]) -> str:
    """`//` or `%` as in Python; by zero, 0. `values` is the range of the exact results."""
    joined, number = common(*args), known(args[1][0])
    bits = storage_bits(joined)
    if number == 0:
        return at(out, ("0", dtype), held_bits(dtype))
    if number is not None and number > 0:
        return fit(out, _by_constant(out, args[0], number, bits, remainder), bits, values, dtype)
    x, y = (at(out, a, bits) for a in args)
    if not joined.signed:
        return _by_unsigned(out, (x, y, bits), remainder, values, dtype)
    if remainder:
        return fit(out, _floored(out, x, _divisor(out, y, bits), bits, True), bits, values, dtype)
    quotient = fit(out, _floored(out, x, _divisor(out, y, bits), bits, False), bits, values, dtype)
    held = held_bits(dtype)
    negated = arithmetic(out, "sub", intervals.RULES[ops.NEG](span(args[0])), dtype, [("0", dtype), args[0]])
    minus, zero = (out.value(f"icmp eq i{bits} {y}, {n}") for n in (-1, 0))
    quotient = out.select(minus, f"i{held}", negated, quotient)
    return out.select(zero, f"i{held}", "0", quotient)


def _by_constant(out: Emitter, arg: Arg, number: int, bits: int, remainder: bool) -> str:
    x, signed = at(out, arg, bits), span(arg)[0] < 0
    if number & (number - 1) == 0:
        if remainder:
            return out.value(f"and i{bits} {x}, {number - 1}")
        return out.value(f"{'ashr' if signed else 'lshr'} i{bits} {x}, {number.bit_length() - 1}")
    if signed:
        return _floored(out, x, str(number), bits, remainder)
    return out.value(f"{'urem' if remainder else 'udiv'} i{bits} {x}, {number}")


def _divisor(out: Emitter, y: str, bits: int) -> str:
    """The divisor with 1 in place of 0 and -1, for which LLVM's division has no value (of the least number by -1)."""
    shifted = out.value(f"add i{bits} {y}, 1")
    trap = out.value(f"icmp ult i{bits} {shifted}, 2")
    return out.select(trap, f"i{bits}", "1", y)


def _floored(out: Emitter, x: str, y: str, bits: int, remainder: bool) -> str:
    """LLVM truncates: where the rest is not zero and has not the divisor's sign, the floor is one below."""
    quotient = "" if remainder else out.value(f"sdiv i{bits} {x}, {y}")
    rest = out.value(f"srem i{bits} {x}, {y}")
    differ = out.value(f"xor i{bits} {rest}, {y}")
    opposite = out.value(f"icmp slt i{bits} {differ}, 0")
    some = out.value(f"icmp ne i{bits} {rest}, 0")
    above = out.value(f"and i1 {opposite}, {some}")
    if remainder:
        more = out.value(f"add i{bits} {rest}, {y}")
        return out.select(above, f"i{bits}", more, rest)
    step = out.value(f"sext i1 {above} to i{bits}")
    return out.value(f"add i{bits} {quotient}, {step}")


def _by_unsigned(out: Emitter, operands: tuple[str, str, int], remainder: bool, values: Interval, dtype: DType) -> str:
    x, y, bits = operands
    kind = f"i{bits}"
    divisor = out.call(kind, f"llvm.umax.{kind}", (kind, y), (kind, "1"))
    if remainder:
        return fit(out, out.value(f"urem {kind} {x}, {divisor}"), bits, values, dtype)
    result = fit(out, out.value(f"udiv {kind} {x}, {divisor}"), bits, values, dtype)
    zero = out.value(f"icmp eq {kind} {y}, 0")
    return out.select(zero, f"i{held_bits(dtype)}", "0", result)
