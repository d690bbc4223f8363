"""Floats in LLVM IR: literals, rounding of the narrow formats, conversions that round once.

A float of 8 or 16 bits is held in `float`. One operation on such values, computed in `float` and then rounded, is
correctly rounded, since 24 bits are at least twice 11 plus two (Figueroa, "When is double rounding innocuous?"). What
starts from wider values is first rounded to odd, which keeps the second rounding right (Boldo and Melquiond, "Emulation
of a FMA and correctly rounded sums"). Nothing flushes subnormals and no instruction has a fast-math flag.
"""

from __future__ import annotations

import struct

from gemel.codegen.emitter import Emitter
from gemel.codegen.llvmint import Arg, at, fit, held_bits, integer_type, resized
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BF16, F16, F32, F64, DType, FloatType, storage_bits
from gemel.semantics.typerules import holds


def float_type(dtype: DType) -> FloatType:
    """The type, known to be a float."""
    if not isinstance(dtype, FloatType):
        raise TypeError(f"no float: {dtype}")
    return dtype


def kind(fmt: FloatType) -> str:
    """The LLVM type that holds values of a format."""
    return "double" if fmt == F64 else "float"


def suffix(fmt: FloatType) -> str:
    """The suffix of intrinsics."""
    return "f64" if fmt == F64 else "f32"


def literal(value: float) -> str:
    """A constant, of float or double: LLVM writes both as the pattern of a double."""
    if value != value:
        return f"0x{to_bits(value, F64):016X}"
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


# ------------------------------------------------------------------------------------------------------ narrow formats


def is_narrow(fmt: FloatType) -> bool:
    """Whether values are held in a wider format than they have in memory."""
    return fmt.width < 32


def rounded(out: Emitter, value: str, fmt: FloatType) -> str:
    """A value just computed in `float`, brought to the format that it is of."""
    if not is_narrow(fmt):
        return value
    if fmt == BF16:
        return _to_bf16(out, value)
    if fmt != F16 or not out.half:
        return _to_narrow(out, value, fmt)
    half = out.value(f"fptrunc float {value} to half")
    return out.value(f"fpext half {half} to float")


def _nearest_even(out: Emitter, bits: str, drop: int) -> str:
    """A float's pattern without its last `drop` bits; a carry goes on into the exponent, as it should."""
    shifted = out.value(f"lshr i32 {bits}, {drop}")
    odd = out.value(f"and i32 {shifted}, 1")
    bias = out.value(f"add i32 {odd}, {(1 << (drop - 1)) - 1}")
    total = out.value(f"add i32 {bits}, {bias}")
    return out.value(f"and i32 {total}, {-(1 << drop)}")


def _to_bf16(out: Emitter, value: str) -> str:
    bits = out.value(f"bitcast float {value} to i32")
    made = out.value(f"bitcast i32 {_nearest_even(out, bits, 16)} to float")
    nan = out.value(f"fcmp uno float {value}, {value}")
    return out.select(nan, "float", value, made)


def _to_narrow(out: Emitter, value: str, fmt: FloatType) -> str:
    """Nearest-even without a conversion instruction.

    Below the least normal number a format has fixed steps: adding a number next to which a float has the same steps
    makes the CPU round to them.
    """
    least = 1 - fmt.bias
    size = out.call("float", "llvm.fabs.f32", ("float", value))
    bits = out.value(f"bitcast float {size} to i32")
    normal = out.value(f"bitcast i32 {_nearest_even(out, bits, F32.mantissa - fmt.mantissa)} to float")
    beyond = out.value(f"fcmp ogt float {normal}, {literal(fmt.largest)}")
    inside = out.select(beyond, "float", literal(fmt.beyond), normal)
    coarse = literal(2.0 ** (least - fmt.mantissa + F32.mantissa))
    raised = out.value(f"fadd float {size}, {coarse}")
    steps = out.value(f"fsub float {raised}, {coarse}")
    small = out.value(f"fcmp olt float {size}, {literal(2.0**least)}")
    result = out.select(small, "float", steps, inside)
    signed = out.call("float", "llvm.copysign.f32", ("float", result), ("float", value))
    nan = out.value(f"fcmp uno float {value}, {value}")
    return out.select(nan, "float", value, signed)


def _narrow_pattern(out: Emitter, value: str, fmt: FloatType) -> str:
    """The pattern of a float that the format has: scaled down by the difference of the biases its bits are in place."""
    scaled = out.value(f"fmul float {value}, {literal(2.0 ** (fmt.bias - F32.bias))}")
    bits = out.value(f"bitcast float {scaled} to i32")
    size = out.value(f"and i32 {bits}, {(1 << 31) - 1}")
    number = out.value(f"lshr i32 {size}, {F32.mantissa - fmt.mantissa}")
    if not fmt.finite:
        number = out.call("i32", "llvm.umin.i32", ("i32", number), ("i32", str(_top(fmt))))  # infinity stays above
    high = out.value(f"lshr i32 {bits}, {32 - fmt.width}")
    sign = out.value(f"and i32 {high}, {1 << (fmt.width - 1)}")
    both = out.value(f"or i32 {sign}, {number}")
    nan = out.value(f"fcmp uno float {value}, {value}")
    whole = out.select(nan, "i32", str(fmt.nan), both)
    return out.value(f"trunc i32 {whole} to i{fmt.width}")


def _top(fmt: FloatType) -> int:
    """The least pattern that is no number."""
    return fmt.nan if fmt.finite else ((1 << fmt.exponent) - 1) << fmt.mantissa


def _from_narrow_pattern(out: Emitter, bits: str, fmt: FloatType) -> str:
    wide = out.value(f"zext i{fmt.width} {bits} to i32")
    low = out.value(f"and i32 {wide}, {(1 << (fmt.width - 1)) - 1}")
    moved = out.value(f"shl i32 {low}, {F32.mantissa - fmt.mantissa}")
    scaled = out.value(f"fmul float {_as_float(out, moved)}, {literal(2.0 ** (F32.bias - fmt.bias))}")
    special = out.value(f"icmp uge i32 {low}, {_top(fmt)}")
    full = out.value(f"or i32 {moved}, {0xFF << 23}")
    size = out.select(special, "float", _as_float(out, full), scaled)
    top = out.value(f"shl i32 {wide}, {32 - fmt.width}")
    return out.call("float", "llvm.copysign.f32", ("float", size), ("float", _as_float(out, top)))


def _as_float(out: Emitter, bits: str) -> str:
    return out.value(f"bitcast i32 {bits} to float")


def pattern(out: Emitter, value: str, fmt: FloatType) -> str:
    """The bits of a float as an integer of its width."""
    if not is_narrow(fmt):
        return out.value(f"bitcast {kind(fmt)} {value} to i{fmt.width}")
    if fmt == BF16:
        bits = out.value(f"bitcast float {value} to i32")
        high = out.value(f"lshr i32 {bits}, 16")
        return out.value(f"trunc i32 {high} to i16")
    if fmt != F16 or not out.half:
        return _narrow_pattern(out, value, fmt)
    half = out.value(f"fptrunc float {value} to half")
    return out.value(f"bitcast half {half} to i16")


def canonical_pattern(out: Emitter, value: str, fmt: FloatType) -> str:
    """As `pattern`, with every NaN as the quiet NaN without sign."""
    bits = pattern(out, value, fmt)
    nan = out.value(f"fcmp uno {kind(fmt)} {value}, {value}")
    return out.select(nan, f"i{fmt.width}", str(fmt.nan), bits)


def from_pattern(out: Emitter, bits: str, fmt: FloatType) -> str:
    """The float with given bits."""
    if not is_narrow(fmt):
        return out.value(f"bitcast i{fmt.width} {bits} to {kind(fmt)}")
    if fmt == BF16:
        wide = out.value(f"zext i16 {bits} to i32")
        return _as_float(out, out.value(f"shl i32 {wide}, 16"))
    if fmt != F16 or not out.half:
        return _from_narrow_pattern(out, bits, fmt)
    half = out.value(f"bitcast i16 {bits} to half")
    return out.value(f"fpext half {half} to float")


# --------------------------------------------------------------------------------------------------- between formats


def convert(out: Emitter, value: str, source: FloatType, target: FloatType) -> str:
    """Between formats, rounded once."""
    if target == F64 and source != F64:
        return out.value(f"fpext float {value} to double")
    if holds(target, source):
        return value
    if source != F64:
        return rounded(out, value, target)
    if target == F32:
        return out.value(f"fptrunc double {value} to float")
    return rounded(out, _round_to_odd(out, value), target)


def _round_to_odd(out: Emitter, value: str) -> str:
    """A double as a float: exact, or the neighbour with an odd last bit."""
    near = out.value(f"fptrunc double {value} to float")
    back = out.value(f"fpext float {near} to double")
    inexact = out.value(f"fcmp one double {back}, {value}")
    size = out.call("double", "llvm.fabs.f64", ("double", back))
    wanted = out.call("double", "llvm.fabs.f64", ("double", value))
    above = out.value(f"fcmp ogt double {size}, {wanted}")
    bits = out.value(f"bitcast float {near} to i32")
    return _as_float(out, _made_odd(out, "i32", bits, inexact, above))


def _made_odd(out: Emitter, bits_type: str, bits: str, inexact: str, above: str) -> str:
    """The pattern of a nearest value, moved to its odd neighbour; `above`: its size is above the exact one."""
    low = out.value(f"and {bits_type} {bits}, 1")
    even = out.value(f"icmp eq {bits_type} {low}, 0")
    move = out.value(f"and i1 {inexact}, {even}")
    step = out.select(above, bits_type, "-1", "1")
    moved = out.value(f"add {bits_type} {bits}, {step}")
    return out.select(move, bits_type, moved, bits)


def fma(out: Emitter, args: list[str], fmt: FloatType) -> str:
    """a * b + c, rounded once."""
    if fmt in (F32, F64):
        k = kind(fmt)
        return out.call(k, f"llvm.fma.{suffix(fmt)}", *((k, v) for v in args))
    a, b, c = (out.value(f"fpext float {v} to double") for v in args)
    product = out.value(f"fmul double {a}, {b}")  # exact: at most 22 bits
    return convert(out, _odd_sum(out, product, c), F64, fmt)


def fma_flush(out: Emitter, args: list[str], fmt: FloatType) -> str:
    """As `fma`; operands and results that are subnormal are zeros."""
    return _flushed(out, fma(out, [_flushed(out, v, fmt) for v in args], fmt), fmt)


def _flushed(out: Emitter, value: str, fmt: FloatType) -> str:
    k, s = kind(fmt), suffix(fmt)
    size = out.call(k, f"llvm.fabs.{s}", (k, value))
    small = out.value(f"fcmp olt {k} {size}, {literal(2.0 ** (1 - fmt.bias))}")
    zero = out.call(k, f"llvm.copysign.{s}", (k, literal(0.0)), (k, value))
    return out.select(small, k, zero, value)


def _odd_sum(out: Emitter, a: str, b: str) -> str:
    """a + b in double, rounded to odd; Knuth's two-sum gives the error."""
    total = out.value(f"fadd double {a}, {b}")
    second = out.value(f"fsub double {total}, {a}")
    first = out.value(f"fsub double {total}, {second}")
    left = out.value(f"fsub double {a}, {first}")
    right = out.value(f"fsub double {b}, {second}")
    error = out.value(f"fadd double {left}, {right}")
    inexact = out.value(f"fcmp one double {error}, {literal(0.0)}")
    bits, error_bits = (out.value(f"bitcast double {x} to i64") for x in (total, error))
    differ = out.value(f"xor i64 {bits}, {error_bits}")
    above = out.value(f"icmp slt i64 {differ}, 0")
    odd = _made_odd(out, "i64", bits, inexact, above)
    return out.value(f"bitcast i64 {odd} to double")


# --------------------------------------------------------------------------------------------------- from integers


def from_integer(out: Emitter, arg: Arg, target: FloatType) -> str:
    """An integer of any width, rounded once."""
    source = integer_type(arg[1])
    bits = max(held_bits(arg[1]), 8)
    value = at(out, arg, bits)
    instruction = "sitofp" if source.signed else "uitofp"
    if source.width <= 64 and (target in (F32, F64) or source.width <= 24):
        return rounded(out, out.value(f"{instruction} i{bits} {value} to {kind(target)}"), target)
    if source.width <= 53:
        return convert(out, out.value(f"{instruction} i{bits} {value} to double"), F64, target)
    return _from_wide(out, value, bits, source.signed, target)


def _from_wide(out: Emitter, value: str, bits: int, signed: bool, target: FloatType) -> str:
    """Size and sign apart; the top bits with a sticky bit for the lost ones, scaled by a power of two."""
    t, size = f"i{bits}", value
    if signed:
        size = out.call(t, f"llvm.abs.{t}", (t, value), ("i1", "false"))
    keep = 62 if target == F64 else 52  # what is rounded next must still be inexact where bits were lost
    zeros = resized(out, out.call(t, f"llvm.ctlz.{t}", (t, size), ("i1", "false")), bits, 32, False)
    excess = out.value(f"sub i32 {bits - keep}, {zeros}")
    drop = out.call("i32", "llvm.smax.i32", ("i32", excess), ("i32", "0"))
    shift = resized(out, drop, 32, bits, False)
    top = out.value(f"lshr {t} {size}, {shift}")
    back = out.value(f"shl {t} {top}, {shift}")
    lost = out.value(f"icmp ne {t} {back}, {size}")
    word = resized(out, top, bits, 64, False)
    full = out.value(f"or i64 {word}, {out.value(f'zext i1 {lost} to i64')}")
    result = out.value(f"uitofp i64 {full} to double")
    for part in _powers(out, drop, bits):
        result = out.value(f"fmul double {result}, {part}")
    if signed:
        negative = out.value(f"icmp slt {t} {value}, 0")
        result = out.select(negative, "double", out.value(f"fneg double {result}"), result)
    return convert(out, result, F64, target)


def _powers(out: Emitter, exponent: str, most: int) -> list[str]:
    """Powers of two whose product is 2**exponent, each a normal double; `exponent` is at most `most`."""
    parts = []
    for _ in range(1 + most // 1000):
        piece = out.call("i32", "llvm.umin.i32", ("i32", exponent), ("i32", "1000"))
        exponent = out.value(f"sub i32 {exponent}, {piece}")
        biased = out.value(f"add i32 {piece}, 1023")
        wide = out.value(f"zext i32 {biased} to i64")
        bits = out.value(f"shl i64 {wide}, 52")
        parts.append(out.value(f"bitcast i64 {bits} to double"))
    return parts


# ----------------------------------------------------------------------------------------------------- to integers


def to_integer(out: Emitter, value: str, source: FloatType, dtype: DType) -> str:
    """Truncated toward zero, saturated; NaN gives 0.

    By comparisons and the plain conversion: LLVM takes a vector apart for its saturating one.
    """
    target, k = integer_type(dtype), kind(source)
    bits = held_bits(dtype)
    if bits > 64:
        return _to_wide(out, convert(out, value, source, F64), dtype)
    number = out.value(f"fcmp ord {k} {value}, {value}")
    number = _kept(out, k, "ogt", out.select(number, k, value, literal(0.0)), float(target.lo))
    wide = 32 if target.width <= 32 else 64
    unsigned = target.hi >= 1 << (wide - 1)
    instruction = f"{'fptoui' if unsigned else 'fptosi'} {k}"
    if target.hi < 1 << (53 if k == "double" else 24):  # a float, and so are those around it
        number = _kept(out, k, "olt", number, float(target.hi))
        return resized(out, out.value(f"{instruction} {number} to i{wide}"), wide, bits, False)
    beyond = out.value(f"fcmp oge {k} {number}, {literal(float(target.hi + 1))}")
    whole = out.value(f"{instruction} {number} to i{wide}")  # poison where it is not chosen
    return out.select(beyond, f"i{bits}", str(target.hi), resized(out, whole, wide, bits, False))


def _kept(out: Emitter, kind: str, predicate: str, value: str, bound: float) -> str:
    """A value where it compares so with a bound, else the bound: one instruction on x86."""
    inside = out.value(f"fcmp {predicate} {kind} {value}, {literal(bound)}")
    return out.select(inside, kind, value, literal(bound))


def _to_wide(out: Emitter, value: str, dtype: DType) -> str:
    """A double as an integer of more than 64 bits: its mantissa, shifted by its exponent."""
    target, t, bits = integer_type(dtype), f"i{storage_bits(dtype)}", storage_bits(dtype)
    pattern_ = out.value(f"bitcast double {value} to i64")
    biased = out.value(f"and i64 {out.value(f'lshr i64 {pattern_}, 52')}, 2047")
    fraction = out.value(f"and i64 {pattern_}, {(1 << 52) - 1}")
    mantissa = out.value(f"or i64 {fraction}, {1 << 52}")
    up = out.value(f"sub i64 {biased}, {1023 + 52}")
    down = out.value(f"sub i64 {1023 + 52}, {biased}")
    left = out.call("i64", "llvm.smax.i64", ("i64", up), ("i64", "0"))
    left = out.call("i64", "llvm.umin.i64", ("i64", left), ("i64", str(bits - 1)))
    right = out.call("i64", "llvm.smax.i64", ("i64", down), ("i64", "0"))
    right = out.call("i64", "llvm.umin.i64", ("i64", right), ("i64", "63"))
    small = resized(out, out.value(f"lshr i64 {mantissa}, {right}"), 64, bits, False)
    size = out.value(f"shl {t} {small}, {resized(out, left, 64, bits, False)}")
    beyond = out.value(f"icmp uge i64 {biased}, {min(1023 + target.width - target.signed, 2047)}")
    most = out.select(beyond, t, str(target.hi), size)
    least = str(target.lo)
    if target.signed:
        least = out.select(beyond, t, least, out.value(f"sub {t} 0, {size}"))
    negative = out.value(f"icmp slt i64 {pattern_}, 0")
    signed = out.select(negative, t, least, most)
    nan = out.value(f"fcmp uno double {value}, {value}")
    return fit(out, out.select(nan, t, "0", signed), bits, (target.lo, target.hi), dtype)
