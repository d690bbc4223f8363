"""Each op of the op table as LLVM IR: the one table that the CPU back end and the netlist simulator share.

Values and results are exactly those of `semantics.ops`, total and at any width. How a value is held says
`emitter.llvm_type`; `from_memory` and `to_memory` convert between that and how it lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable

from gemel.codegen import llvmfloat as fl
from gemel.codegen import llvmint as whole
from gemel.codegen.elementary import elementary
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.llvmint import Arg, held_bits, span
from gemel.semantics import intervals, ops
from gemel.semantics.dtypes import BoolType, DType, FloatType, IntType, storage_bits
from gemel.semantics.ops import Op

Emit = Callable[[Emitter, DType, list[Arg]], str]


def emit(op: Op, dtype: DType, args: list[Arg], out: Emitter) -> str:
    """Emits `op` on typed LLVM values or literals; gives the LLVM value of the result, of type `dtype`."""
    return TABLE[op](out, dtype, args)


def constant(value: bool | int | float, dtype: DType) -> str:
    """A literal."""
    if isinstance(dtype, FloatType):
        return fl.literal(float(value))
    return ("true" if value else "false") if isinstance(dtype, BoolType) else str(int(value))


def memory_type(dtype: DType) -> str:
    """The LLVM type of a value in memory, where it has `storage_bits`."""
    if isinstance(dtype, FloatType) and not fl.is_narrow(dtype):
        return llvm_type(dtype)
    return f"i{storage_bits(dtype)}"


def from_memory(out: Emitter, raw: str, dtype: DType, clean: bool = False) -> str:
    """What a load of `memory_type` gave, as a value; `clean` says that only `to_memory` has written there.

    Elsewhere the bits that an odd width leaves over can be anything; they are not looked at.
    """
    if isinstance(dtype, BoolType):
        return out.value(f"icmp ne i8 {raw}, 0")
    if isinstance(dtype, FloatType):
        return fl.from_pattern(out, raw, dtype) if fl.is_narrow(dtype) else raw
    bits = storage_bits(dtype)
    stored = IntType(bits, False)
    return raw if clean else whole.fit(out, raw, bits, (stored.lo, stored.hi), dtype)


def to_memory(out: Emitter, value: str, dtype: DType) -> str:
    """A value as a store of `memory_type` wants it."""
    if isinstance(dtype, BoolType):
        return whole.at(out, (value, dtype), 8)
    return fl.pattern(out, value, dtype) if isinstance(dtype, FloatType) and fl.is_narrow(dtype) else value


def as_index(out: Emitter, arg: Arg) -> str:
    """An integer as an `i64`, wrapped where it is wider."""
    return whole.at(out, arg, 64)


# --------------------------------------------------------------------------------------------------------------- rows


def _arithmetic(op: Op, instruction: str, float_instruction: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        if isinstance(dtype, FloatType):
            raw = out.value(f"{float_instruction} {llvm_type(dtype)} {args[0][0]}, {args[1][0]}")
            return fl.rounded(out, raw, dtype)
        values = intervals.RULES[op](*map(span, args))
        return whole.arithmetic(out, instruction, values, dtype, args)

    return run


def _bitwise(op: Op) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        return whole.bitwise(out, op.name, intervals.RULES[op](*map(span, args)), dtype, args)

    return run


def _div(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    raw = out.value(f"fdiv {llvm_type(dtype)} {args[0][0]}, {args[1][0]}")
    return fl.rounded(out, raw, fl.float_type(dtype))


def _divide(op: Op) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        return whole.divide(out, op is ops.MOD, intervals.RULES[op](*map(span, args)), dtype, args)

    return run


def _neg(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    if isinstance(dtype, FloatType):
        return out.value(f"fneg {llvm_type(dtype)} {args[0][0]}")
    values = intervals.RULES[ops.NEG](span(args[0]))
    return whole.arithmetic(out, "sub", values, dtype, [("0", dtype), args[0]])


def _invert(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    values = intervals.RULES[ops.INVERT](span(args[0]))
    return whole.bitwise(out, "xor", values, dtype, [args[0], ("-1", dtype)])


def _abs(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    if not isinstance(dtype, FloatType):
        return whole.absolute(out, dtype, args[0])
    kind = llvm_type(dtype)
    return out.call(kind, f"llvm.fabs.{fl.suffix(dtype)}", (kind, args[0][0]))


def _extreme(which: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        if not isinstance(dtype, FloatType):
            return whole.extreme(out, which, dtype, args)
        kind = llvm_type(dtype)
        return out.call(kind, f"llvm.{which}imum.{fl.suffix(dtype)}", *((kind, value) for value, _ in args))

    return run


def _compare(predicate: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        source = args[0][1]
        if not isinstance(source, FloatType):
            return whole.compare(out, predicate, args)
        ordered = "une" if predicate == "ne" else f"o{predicate}"
        return out.value(f"fcmp {ordered} {llvm_type(source)} {args[0][0]}, {args[1][0]}")

    return run


def _logic(instruction: str) -> Emit:
    return lambda out, dtype, args: out.value(f"{instruction} i1 {args[0][0]}, {args[1][0]}")


def _not(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    return out.value(f"xor i1 {args[0][0]}, true")


def _select(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    yes, no = (_cast(out, dtype, [x]) for x in args[1:])
    return out.select(args[0][0], llvm_type(dtype), yes, no)


def _cast(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    (arg,) = args
    value, source = arg
    if source == dtype:
        return value
    if isinstance(source, FloatType):
        return _cast_float(out, dtype, value, source)
    if isinstance(dtype, FloatType):
        return fl.from_integer(out, arg, dtype)
    if isinstance(dtype, BoolType):
        return out.value(f"icmp ne i{held_bits(source)} {value}, 0")
    bits = held_bits(dtype)
    return whole.fit(out, whole.at(out, arg, bits), bits, span(arg), dtype)


def _cast_float(out: Emitter, dtype: DType, value: str, source: FloatType) -> str:
    if isinstance(dtype, FloatType):
        return fl.convert(out, value, source, dtype)
    if isinstance(dtype, BoolType):
        return out.value(f"fcmp une {llvm_type(source)} {value}, {fl.literal(0.0)}")
    return fl.to_integer(out, value, source, dtype)


def _saturate(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    floats = isinstance(args[0][1], FloatType) or isinstance(dtype, FloatType)
    if floats or isinstance(dtype, BoolType):
        return _cast(out, dtype, args)
    return whole.clamped(out, args[0], dtype)


def _bitcast(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    ((value, source),) = args
    if isinstance(source, FloatType):
        value = fl.canonical_pattern(out, value, source)
        return fl.from_pattern(out, value, dtype) if isinstance(dtype, FloatType) else value
    if isinstance(dtype, FloatType):
        return fl.from_pattern(out, whole.at(out, args[0], dtype.width), dtype)
    return _cast(out, dtype, args)


def _float_unary(name: str, rounds: bool = False) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        fmt, kind = fl.float_type(dtype), llvm_type(dtype)
        raw = out.call(kind, f"llvm.{name}.{fl.suffix(fmt)}", (kind, args[0][0]))
        return fl.rounded(out, raw, fmt) if rounds else raw

    return run


TABLE: dict[Op, Emit] = {
    ops.ADD: _arithmetic(ops.ADD, "add", "fadd"),
    ops.SUB: _arithmetic(ops.SUB, "sub", "fsub"),
    ops.MUL: _arithmetic(ops.MUL, "mul", "fmul"),
    ops.DIV: _div,
    ops.FLOORDIV: _divide(ops.FLOORDIV),
    ops.MOD: _divide(ops.MOD),
    ops.NEG: _neg,
    ops.ABS: _abs,
    ops.MIN: _extreme("min"),
    ops.MAX: _extreme("max"),
    ops.FMA: lambda out, dtype, args: fl.fma(out, [value for value, _ in args], fl.float_type(dtype)),
    ops.FMA_FLUSH: lambda out, dtype, args: fl.fma_flush(out, [value for value, _ in args], fl.float_type(dtype)),
    ops.SQRT: _float_unary("sqrt", rounds=True),
    ops.FLOOR: _float_unary("floor"),
    ops.CEIL: _float_unary("ceil"),
    ops.TRUNC: _float_unary("trunc"),
    ops.RINT: _float_unary("rint"),
    **{op: elementary(op) for op in ops.ELEMENTARY},
    ops.AND: _bitwise(ops.AND),
    ops.OR: _bitwise(ops.OR),
    ops.XOR: _bitwise(ops.XOR),
    ops.INVERT: _invert,
    ops.SHL: whole.shift_left,
    ops.SHR: whole.shift_right,
    ops.BITS: whole.field,
    ops.CONCAT: whole.concatenated,
    ops.EQ: _compare("eq"),
    ops.NE: _compare("ne"),
    ops.LT: _compare("lt"),
    ops.LE: _compare("le"),
    ops.GT: _compare("gt"),
    ops.GE: _compare("ge"),
    ops.LAND: _logic("and"),
    ops.LOR: _logic("or"),
    ops.LNOT: _not,
    ops.SELECT: _select,
    ops.CAST: _cast,
    ops.SATURATE: _saturate,
    ops.BITCAST: _bitcast,
}
