"""Each op of the op table as LLVM IR, at any integer width: the one table that the CPU and the netlist simulator share.

Values and results are exactly those of `semantics.ops`: total, wrapping at the result type where it is narrower than the rule's.
f16 and bf16 values are held in `float`; every op on them is computed there (or in `double`) and rounded once.
"""

from __future__ import annotations

from collections.abc import Callable

from gemel.codegen import llvmfloat as fl
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.semantics import ops
from gemel.semantics.dtypes import BoolType, DType, FloatType, IntType, as_int, width_of
from gemel.semantics.ops import Op

Arg = tuple[str, DType]
Emit = Callable[[Emitter, DType, list[Arg]], str]


def emit(op: Op, dtype: DType, args: list[Arg], out: Emitter) -> str:
    """Emits `op` on typed LLVM values; gives the LLVM value of the result."""
    return TABLE[op](out, dtype, args)


def constant(value: bool | int | float, dtype: DType) -> str:
    """A literal."""
    if isinstance(dtype, FloatType):
        return fl.literal(float(value))
    return ("true" if value else "false") if isinstance(dtype, BoolType) else str(int(value))


def integer_type(dtype: DType) -> IntType:
    """The integer type of a bool, int or index."""
    whole = as_int(dtype)
    if whole is None:
        raise TypeError(f"no integer: {dtype}")
    return whole


def resize(out: Emitter, value: str, source: IntType, width: int) -> str:
    """An integer at another width: extended by its sign, or cut."""
    if source.width == width:
        return value
    if source.width > width:
        return out.value(f"trunc i{source.width} {value} to i{width}")
    return out.value(f"{'sext' if source.signed else 'zext'} i{source.width} {value} to i{width}")


def _whole(out: Emitter, arg: Arg, width: int) -> str:
    return resize(out, arg[0], integer_type(arg[1]), width)


def _simple(instruction: str, float_instruction: str = "") -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        if isinstance(dtype, FloatType):
            kind = llvm_type(dtype)
            raw = out.value(f"{float_instruction} {kind} {args[0][0]}, {args[1][0]}")
            return fl.rounded(out, raw, dtype)
        width = width_of(dtype)
        a, b = (_whole(out, x, width) for x in args)
        return out.value(f"{instruction} i{width} {a}, {b}")

    return run


def _div(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    raw = out.value(f"fdiv {llvm_type(dtype)} {args[0][0]}, {args[1][0]}")
    return fl.rounded(out, raw, fl.float_type(dtype))


def _divide(remainder: bool) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        common = _common(args)
        width = common.width
        x, y = (_whole(out, arg, width) for arg in args)
        zero = out.value(f"icmp eq i{width} {y}, 0")
        safe = out.value(f"select i1 {zero}, i{width} 1, i{width} {y}")
        if common.signed:
            result = _floor(out, (x, safe), width, remainder, width_of(dtype))
        else:
            plain = out.value(f"{'urem' if remainder else 'udiv'} i{width} {x}, {safe}")
            result = resize(out, plain, common, width_of(dtype))
        return out.value(f"select i1 {zero}, i{width_of(dtype)} 0, i{width_of(dtype)} {result}")

    return run


def _floor(out: Emitter, operands: tuple[str, str], width: int, remainder: bool, result_width: int) -> str:
    """The floored quotient or remainder at the result's width; only x // -1 may need more bits than the operands."""
    x, y = operands
    signed = IntType(width, True)
    minus = out.value(f"icmp eq i{width} {y}, -1")  # -lo / -1 traps in sdiv
    divisor = out.value(f"select i1 {minus}, i{width} 1, i{width} {y}")
    rest = out.value(f"srem i{width} {x}, {divisor}")
    differ = out.value(f"xor i{width} {rest}, {divisor}")
    opposite = out.value(f"icmp slt i{width} {differ}, 0")
    some = out.value(f"icmp ne i{width} {rest}, 0")
    adjust = out.value(f"and i1 {opposite}, {some}")
    if remainder:
        more = out.value(f"add i{width} {rest}, {divisor}")
        floored = out.value(f"select i1 {adjust}, i{width} {more}, i{width} {rest}")
        chosen = out.value(f"select i1 {minus}, i{width} 0, i{width} {floored}")
        return resize(out, chosen, signed, result_width)
    quotient = out.value(f"sdiv i{width} {x}, {divisor}")
    less = out.value(f"sub i{width} {quotient}, 1")
    floored = out.value(f"select i1 {adjust}, i{width} {less}, i{width} {quotient}")
    wide = resize(out, floored, signed, result_width)
    negated = out.value(f"sub i{result_width} 0, {resize(out, x, signed, result_width)}")
    return out.value(f"select i1 {minus}, i{result_width} {negated}, i{result_width} {wide}")


def _neg(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    if isinstance(dtype, FloatType):
        return out.value(f"fneg {llvm_type(dtype)} {args[0][0]}")
    width = width_of(dtype)
    return out.value(f"sub i{width} 0, {_whole(out, args[0], width)}")


def _abs(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    kind = llvm_type(dtype)
    if isinstance(dtype, FloatType):
        return out.call(kind, f"llvm.fabs.{fl.suffix(dtype)}", (kind, args[0][0]))
    source = integer_type(args[0][1])
    width = max(source.width, width_of(dtype))
    x = _whole(out, args[0], width)
    if source.signed:
        x = out.call(f"i{width}", f"llvm.abs.i{width}", (f"i{width}", x), ("i1", "false"))
    return resize(out, x, IntType(width, False), width_of(dtype))


def _common(args: list[Arg]) -> IntType:
    types = [integer_type(t) for _, t in args]
    signed = any(t.signed for t in types)
    return IntType(max(t.width + (signed and not t.signed) for t in types), signed)


def _extreme(name: str, predicate: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        if isinstance(dtype, FloatType):
            kind = llvm_type(dtype)
            return out.call(kind, f"llvm.{name}.{fl.suffix(dtype)}", (kind, args[0][0]), (kind, args[1][0]))
        common = _common(args)
        a, b = (_whole(out, x, common.width) for x in args)
        test = out.value(f"icmp {'s' if common.signed else 'u'}{predicate} i{common.width} {a}, {b}")
        best = out.value(f"select i1 {test}, i{common.width} {a}, i{common.width} {b}")
        return resize(out, best, common, width_of(dtype))

    return run


def _compare(predicate: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        if isinstance(args[0][1], FloatType):
            ordered = "une" if predicate == "ne" else f"o{predicate}"
            return out.value(f"fcmp {ordered} {llvm_type(args[0][1])} {args[0][0]}, {args[1][0]}")
        common = _common(args)
        a, b = (_whole(out, x, common.width) for x in args)
        sign = "" if predicate in ("eq", "ne") else ("s" if common.signed else "u")
        return out.value(f"icmp {sign}{predicate} i{common.width} {a}, {b}")

    return run


def _invert(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    width = width_of(dtype)
    return out.value(f"xor i{width} {_whole(out, args[0], width)}, -1")


def _amount(out: Emitter, arg: Arg, limit: int, width: int) -> tuple[str, str | None]:
    """A shift amount at `width` bits, at most `limit`, negative ones as 0, and whether it was above."""
    own = integer_type(arg[1])
    value = arg[0]
    if value.lstrip("-").isdigit():
        known = max(int(value), 0)
        return str(min(known, limit)), "true" if known > limit else None
    if own.signed:
        negative = out.value(f"icmp slt i{own.width} {value}, 0")
        value = out.value(f"select i1 {negative}, i{own.width} 0, i{own.width} {value}")
    above = None
    if own.hi > limit:
        above = out.value(f"icmp ugt i{own.width} {value}, {limit}")
        value = out.value(f"select i1 {above}, i{own.width} {limit}, i{own.width} {value}")
    return resize(out, value, IntType(own.width, False), width), above


def _shl(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    width = width_of(dtype)
    x = _whole(out, args[0], width)
    amount, above = _amount(out, args[1], width - 1, width)
    shifted = out.value(f"shl i{width} {x}, {amount}")
    return shifted if above is None else out.value(f"select i1 {above}, i{width} 0, i{width} {shifted}")


def _shr(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    source = integer_type(args[0][1])
    width = max(source.width, width_of(dtype))
    x = _whole(out, args[0], width)
    amount, above = _amount(out, args[1], width - 1, width)
    shifted = out.value(f"{'ashr' if source.signed else 'lshr'} i{width} {x}, {amount}")
    if above is not None and not source.signed:
        shifted = out.value(f"select i1 {above}, i{width} 0, i{width} {shifted}")
    return resize(out, shifted, IntType(width, source.signed), width_of(dtype))


def _bits(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    source = integer_type(args[0][1])
    low = int(args[2][0])
    x = args[0][0] if low == 0 else out.value(f"lshr i{source.width} {args[0][0]}, {low}")
    return resize(out, x, IntType(source.width, False), width_of(dtype))


def _concat(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    width = width_of(dtype)
    high, low = (resize(out, v, IntType(width_of(t), False), width) for v, t in args)
    shifted = out.value(f"shl i{width} {high}, {width_of(args[1][1])}")
    return out.value(f"or i{width} {shifted}, {low}")


def _logic(instruction: str) -> Emit:
    return lambda out, dtype, args: out.value(f"{instruction} i1 {args[0][0]}, {args[1][0]}")


def _not(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    return out.value(f"xor i1 {args[0][0]}, true")


def _select(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    kind = llvm_type(dtype)
    a, b = (_cast(out, dtype, [x]) for x in args[1:])
    return out.value(f"select i1 {args[0][0]}, {kind} {a}, {kind} {b}")


def _cast(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    ((value, source),) = args
    if source == dtype:
        return value
    if isinstance(source, FloatType):
        if isinstance(dtype, FloatType):
            return fl.convert(out, value, source, dtype)
        if isinstance(dtype, BoolType):
            return out.value(f"fcmp une {llvm_type(source)} {value}, {fl.literal(0.0)}")
        return fl.to_integer(out, value, source, integer_type(dtype))
    if isinstance(dtype, FloatType):
        return fl.from_integer(out, value, integer_type(source), dtype)
    if isinstance(dtype, BoolType):
        return out.value(f"icmp ne i{width_of(source)} {value}, 0")
    return _whole(out, args[0], width_of(dtype))


def _saturate(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    ((value, source),) = args
    if isinstance(source, FloatType) or isinstance(dtype, BoolType | FloatType):
        return _cast(out, dtype, args)
    own, target = integer_type(source), integer_type(dtype)
    width = max(own.width, target.width) + 1
    x = resize(out, value, own, width)
    for bound, predicate in ((target.lo, "slt"), (target.hi, "sgt")):
        if (own.lo < bound and predicate == "slt") or (own.hi > bound and predicate == "sgt"):
            beyond = out.value(f"icmp {predicate} i{width} {x}, {bound}")
            x = out.value(f"select i1 {beyond}, i{width} {bound}, i{width} {x}")
    return resize(out, x, IntType(width, True), target.width)


def _bitcast(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    ((value, source),) = args
    if isinstance(source, FloatType):
        value = fl.pattern(out, value, source)
    return fl.from_pattern(out, value, dtype) if isinstance(dtype, FloatType) else value


def _float_unary(name: str) -> Emit:
    def run(out: Emitter, dtype: DType, args: list[Arg]) -> str:
        kind = llvm_type(dtype)
        raw = out.call(kind, f"llvm.{name}.{fl.suffix(dtype)}", (kind, args[0][0]))
        return fl.rounded(out, raw, fl.float_type(dtype))

    return run


def _fma(out: Emitter, dtype: DType, args: list[Arg]) -> str:
    return fl.fma(out, [v for v, _ in args], fl.float_type(dtype))


TABLE: dict[Op, Emit] = {
    ops.ADD: _simple("add", "fadd"),
    ops.SUB: _simple("sub", "fsub"),
    ops.MUL: _simple("mul", "fmul"),
    ops.DIV: _div,
    ops.FLOORDIV: _divide(False),
    ops.MOD: _divide(True),
    ops.NEG: _neg,
    ops.ABS: _abs,
    ops.MIN: _extreme("minimum", "lt"),
    ops.MAX: _extreme("maximum", "gt"),
    ops.FMA: _fma,
    ops.SQRT: _float_unary("sqrt"),
    ops.FLOOR: _float_unary("floor"),
    ops.CEIL: _float_unary("ceil"),
    ops.TRUNC: _float_unary("trunc"),
    ops.RINT: _float_unary("rint"),
    ops.AND: _simple("and"),
    ops.OR: _simple("or"),
    ops.XOR: _simple("xor"),
    ops.INVERT: _invert,
    ops.SHL: _shl,
    ops.SHR: _shr,
    ops.BITS: _bits,
    ops.CONCAT: _concat,
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
