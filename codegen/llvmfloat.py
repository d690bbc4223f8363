"""Floats in LLVM IR: literals, rounding of the 16-bit formats, conversions that round once.

A 16-bit float is held in `float`. One op on such values, computed in `float` and then rounded, is correctly rounded: 24 bits are at
least twice 11 plus two (Figueroa, "When is double rounding innocuous?"). What starts from wider values is first rounded to odd,
which keeps the second rounding right (Boldo and Melquiond).
"""

from __future__ import annotations

import struct

from gemel.codegen.emitter import Emitter
from gemel.semantics.convert import to_bits
from gemel.semantics.dtypes import BF16, F16, F32, F64, DType, FloatType, IntType


def float_type(dtype: DType) -> FloatType:
    """The type, known to be a float."""
    if not isinstance(dtype, FloatType):
        raise TypeError(f"no float: {dtype}")
    return dtype


def kind(fmt: FloatType) -> str:
    """The LLVM type that holds values of a format."""
    return "double" if fmt == F64 else "float"


def suffix(dtype: DType) -> str:
    """The suffix of intrinsics."""
    return "f64" if dtype == F64 else "f32"


def literal(value: float) -> str:
    """A constant of either width: LLVM writes both by the pattern of a double."""
    if value != value:
        return f"0x{to_bits(value, F64):016X}"
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    return f"0x{bits:016X}"


def rounded(out: Emitter, value: str, fmt: FloatType) -> str:
    """A value just computed in `float`, brought to a 16-bit format."""
    if fmt == F16:
        half = out.value(f"fptrunc float {value} to half")
        return out.value(f"fpext half {half} to float")
    return _to_bf16(out, value) if fmt == BF16 else value


def _to_bf16(out: Emitter, value: str) -> str:
    bits = out.value(f"bitcast float {value} to i32")
    shifted = out.value(f"lshr i32 {bits}, 16")
    odd = out.value(f"and i32 {shifted}, 1")
    bias = out.value(f"add i32 {odd}, 32767")
    sum_ = out.value(f"add i32 {bits}, {bias}")
    cut = out.value(f"and i32 {sum_}, -65536")
    made = out.value(f"bitcast i32 {cut} to float")
    nan = out.value(f"fcmp uno float {value}, {value}")
    return out.value(f"select i1 {nan}, float {value}, float {made}")


def convert(out: Emitter, value: str, source: FloatType, target: FloatType) -> str:
    """Between formats, rounded once."""
    if target == F64:
        return out.value(f"fpext float {value} to double")
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
    bits = out.value(f"bitcast float {near} to i32")
    low = out.value(f"and i32 {bits}, 1")
    even = out.value(f"icmp eq i32 {low}, 0")
    move = out.value(f"and i1 {inexact}, {even}")
    size = out.call("double", "llvm.fabs.f64", ("double", back))
    wanted = out.call("double", "llvm.fabs.f64", ("double", value))
    above = out.value(f"fcmp ogt double {size}, {wanted}")
    step = out.value(f"select i1 {above}, i32 -1, i32 1")
    moved = out.value(f"add i32 {bits}, {step}")
    chosen = out.value(f"select i1 {move}, i32 {moved}, i32 {bits}")
    return out.value(f"bitcast i32 {chosen} to float")


def from_integer(out: Emitter, value: str, source: IntType, target: FloatType) -> str:
    """An integer of any width, rounded once."""
    convert_op = "sitofp" if source.signed else "uitofp"
    if source.width <= 64 and target in (F32, F64):
        return out.value(f"{convert_op} i{source.width} {value} to {kind(target)}")
    if source.width <= 53:
        exact = out.value(f"{convert_op} i{source.width} {value} to double")
        return convert(out, exact, F64, target)
    return _from_wide(out, value, source, target)


def _from_wide(out: Emitter, value: str, source: IntType, target: FloatType) -> str:
    """Size and sign apart; the top bits with a sticky bit below them, scaled by a power of two."""
    width = source.width + 1
    t = f"i{width}"
    x = out.value(f"{'sext' if source.signed else 'zext'} i{source.width} {value} to {t}")
    negative = out.value(f"icmp slt {t} {x}, 0")
    size = out.call(t, f"llvm.abs.{t}", (t, x), ("i1", "false"))
    zeros = out.call(t, f"llvm.ctlz.{t}", (t, size), ("i1", "false"))
    keep = 62 if target == F64 else 52
    excess = out.value(f"sub {t} {width - keep}, {zeros}")
    none = out.value(f"icmp slt {t} {excess}, 0")
    shift = out.value(f"select i1 {none}, {t} 0, {t} {excess}")
    top = out.value(f"lshr {t} {size}, {shift}")
    back = out.value(f"shl {t} {top}, {shift}")
    lost = out.value(f"icmp ne {t} {back}, {size}")
    sticky = out.value(f"zext i1 {lost} to {t}")
    full = out.value(f"or {t} {top}, {sticky}")
    word = out.value(f"trunc {t} {full} to i64") if width > 64 else out.value(f"zext {t} {full} to i64")
    near = out.value(f"uitofp i64 {word} to double")
    result = near
    amount = out.value(f"trunc {t} {shift} to i32") if width > 32 else out.value(f"zext {t} {shift} to i32")
    for part in _scales(out, amount, width):
        result = out.value(f"fmul double {result}, {part}")
    minus = out.value(f"fneg double {result}")
    signed = out.value(f"select i1 {negative}, double {minus}, double {result}")
    return signed if target == F64 else convert(out, signed, F64, target)


def _scales(out: Emitter, amount: str, width: int) -> list[str]:
    """Powers of two whose product is 2**amount, each a normal double."""
    parts = []
    for _ in range(1 + width // 1000):
        piece = out.call("i32", "llvm.umin.i32", ("i32", amount), ("i32", "1000"))
        amount = out.value(f"sub i32 {amount}, {piece}")
        biased = out.value(f"add i32 {piece}, 1023")
        wide = out.value(f"zext i32 {biased} to i64")
        bits = out.value(f"shl i64 {wide}, 52")
        parts.append(out.value(f"bitcast i64 {bits} to double"))
    return parts


def to_integer(out: Emitter, value: str, source: FloatType, target: IntType) -> str:
    """Truncated toward zero, saturated; NaN gives 0."""
    sign = "s" if target.signed else "u"
    k = kind(source)
    if target.width <= 64:
        name = f"llvm.fpto{sign}i.sat.i{target.width}.{suffix(source)}"
        return out.call(f"i{target.width}", name, (k, value))
    wide = value if k == "double" else out.value(f"fpext float {value} to double")
    return _to_wide(out, wide, target)


def _to_wide(out: Emitter, value: str, target: IntType) -> str:
    width = max(target.width, 1088) + 1
    t = f"i{width}"
    bits = out.value(f"bitcast double {value} to i64")
    raw = out.value(f"lshr i64 {bits}, 52")
    exponent = out.value(f"and i64 {raw}, 2047")
    fraction = out.value(f"and i64 {bits}, {(1 << 52) - 1}")
    mantissa = out.value(f"or i64 {fraction}, {1 << 52}")
    wide = out.value(f"zext i64 {mantissa} to {t}")
    small = out.value(f"icmp ult i64 {exponent}, 1023")
    left = out.value(f"sub i64 {exponent}, 1023")
    by = out.value(f"select i1 {small}, i64 0, i64 {left}")
    amount = out.value(f"zext i64 {by} to {t}")
    scaled = out.value(f"shl {t} {wide}, {amount}")
    whole = out.value(f"lshr {t} {scaled}, 52")
    size = out.value(f"select i1 {small}, {t} 0, {t} {whole}")
    minus = out.value(f"sub {t} 0, {size}")
    negative = out.value(f"icmp slt i64 {bits}, 0")
    signed = out.value(f"select i1 {negative}, {t} {minus}, {t} {size}")
    for bound, predicate in ((target.lo, "slt"), (target.hi, "sgt")):
        beyond = out.value(f"icmp {predicate} {t} {signed}, {bound}")
        signed = out.value(f"select i1 {beyond}, {t} {bound}, {t} {signed}")
    nan = out.value(f"fcmp uno double {value}, {value}")
    chosen = out.value(f"select i1 {nan}, {t} 0, {t} {signed}")
    return out.value(f"trunc {t} {chosen} to i{target.width}")


def pattern(out: Emitter, value: str, fmt: FloatType) -> str:
    """The bits of a float as an integer; NaN as the quiet NaN without sign."""
    if fmt == F16:
        half = out.value(f"fptrunc float {value} to half")
        bits = out.value(f"bitcast half {half} to i16")
    elif fmt == BF16:
        all_bits = out.value(f"bitcast float {value} to i32")
        high = out.value(f"lshr i32 {all_bits}, 16")
        bits = out.value(f"trunc i32 {high} to i16")
    else:
        bits = out.value(f"bitcast {kind(fmt)} {value} to i{fmt.width}")
    nan = out.value(f"fcmp uno {kind(fmt)} {value}, {value}")
    return out.value(f"select i1 {nan}, i{fmt.width} {to_bits(float('nan'), fmt)}, i{fmt.width} {bits}")


def from_pattern(out: Emitter, bits: str, fmt: FloatType) -> str:
    """The float with given bits."""
    if fmt == F16:
        half = out.value(f"bitcast i16 {bits} to half")
        return out.value(f"fpext half {half} to float")
    if fmt == BF16:
        wide = out.value(f"zext i16 {bits} to i32")
        high = out.value(f"shl i32 {wide}, 16")
        return out.value(f"bitcast i32 {high} to float")
    return out.value(f"bitcast i{fmt.width} {bits} to {kind(fmt)}")


def fma(out: Emitter, args: list[str], fmt: FloatType) -> str:
    """a * b + c, rounded once."""
    if fmt in (F32, F64):
        k = kind(fmt)
        return out.call(k, f"llvm.fma.{suffix(fmt)}", *((k, v) for v in args))
    a, b, c = (out.value(f"fpext float {v} to double") for v in args)
    product = out.value(f"fmul double {a}, {b}")  # exact: at most 22 bits
    return convert(out, _odd_sum(out, product, c), F64, fmt)


def _odd_sum(out: Emitter, a: str, b: str) -> str:
    """a + b in double, rounded to odd (Knuth's two-sum gives the error)."""
    s = out.value(f"fadd double {a}, {b}")
    bb = out.value(f"fsub double {s}, {a}")
    rest = out.value(f"fsub double {s}, {bb}")
    da = out.value(f"fsub double {a}, {rest}")
    db = out.value(f"fsub double {b}, {bb}")
    error = out.value(f"fadd double {da}, {db}")
    bits = out.value(f"bitcast double {s} to i64")
    low = out.value(f"and i64 {bits}, 1")
    even = out.value(f"icmp eq i64 {low}, 0")
    inexact = out.value(f"fcmp one double {error}, 0x0000000000000000")
    move = out.value(f"and i1 {even}, {inexact}")
    error_bits = out.value(f"bitcast double {error} to i64")
    differ = out.value(f"xor i64 {bits}, {error_bits}")
    opposite = out.value(f"icmp slt i64 {differ}, 0")
    step = out.value(f"select i1 {opposite}, i64 -1, i64 1")
    moved = out.value(f"add i64 {bits}, {step}")
    chosen = out.value(f"select i1 {move}, i64 {moved}, i64 {bits}")
    return out.value(f"bitcast i64 {chosen} to double")
