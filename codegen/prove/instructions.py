"""LLVM's instructions on words, one table each: arithmetic, comparisons, conversions and intrinsics of scalars.

A meaning takes the machine, the instruction's flags, the operands' types and their words. What LLVM leaves undefined
(an overflow that a flag excludes, a shift by too much, a division by 0) is asked of the machine as a condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gemel.codegen.prove.reading import Type
from gemel.semantics import ops
from gemel.semantics.dtypes import BOOL, F16, F32, F64, DType, FloatType, IntType
from gemel.semantics.ops import Op
from gemel.semantics.symbolic import meaning
from gemel.semantics.symbolic.meaning import Unsupported

if TYPE_CHECKING:
    from gemel.codegen.prove.machine import Machine

Word = Any
Meaning = Callable[["Machine", Sequence[str], Sequence[Type], Sequence[Word]], Word]

FORMATS = {16: F16, 32: F32, 64: F64}


def format_of(t: Type) -> FloatType:
    """The float format of a type."""
    return FORMATS[t.bits]


# ------------------------------------------------------------------------------------------------------------ integers


def _arithmetic(name: str) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        w = types[0].bits
        for flag, is_signed in (("nsw", True), ("nuw", False)):
            if flag in flags:
                m.require(_fits(m, name, w, args, is_signed), f"{name} {flag}")
        return getattr(m.words, name)(w, *args)

    return run


def _fits(m: Machine, name: str, w: int, args: Sequence[Word], is_signed: bool) -> Word:
    """Whether a result needs no more bits than it has."""
    to = 2 * w if name == "mul" else w + 1
    wide = getattr(m.words, name)(to, *(m.words.resized(a, w, to, is_signed) for a in args))
    low = m.words.resized(m.words.ext(wide, 0, w), w, to, is_signed)
    return m.words.eq(to, wide, low)


def _bitwise(name: str) -> Meaning:
    return lambda m, flags, types, args: getattr(m.words, name)(types[0].bits, *args)


def _shift(name: str) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        w, (a, by) = types[0].bits, args
        m.require(m.words.ult(w, by, w), f"{name} by less than the width")
        return getattr(m.words, name)(w, a, by, w)

    return run


def _division(name: str) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        w, words = types[0].bits, m.words
        m.require(words.xor(1, words.eq(w, args[1], 0), 1), f"{name} by something else than 0")
        if name[0] == "s":
            least, ones = 1 << (w - 1), (1 << w) - 1
            over = words.and_(1, words.eq(w, args[0], least), words.eq(w, args[1], ones))
            m.require(words.xor(1, over, 1), f"{name} without overflow")
        return words.divided(name, w, *args)

    return run


BINARY: dict[str, Meaning] = {
    **{name: _arithmetic(name) for name in ("add", "sub", "mul")},
    "and": _bitwise("and_"),
    "or": _bitwise("or_"),
    "xor": _bitwise("xor"),
    **{name: _shift(name) for name in ("shl", "lshr", "ashr")},
    **{name: _division(name) for name in ("udiv", "urem", "sdiv", "srem")},
}
"""By opcode: arithmetic of integers."""


def compare(m: Machine, predicate: str, w: int, a: Word, b: Word) -> Word:
    """An integer comparison."""
    words = m.words
    if predicate in ("eq", "ne"):
        found = words.eq(w, a, b)
    else:
        less = words.slt if predicate[0] == "s" else words.ult
        found = less(w, b, a) if predicate[1:] in ("gt", "le") else less(w, a, b)
    return words.xor(1, found, 1) if predicate in ("ne", "sle", "sge", "ule", "uge") else found


# -------------------------------------------------------------------------------------------------------------- floats


def on_floats(m: Machine, op: Op, result: DType, source: DType, args: Sequence[Word]) -> Word:
    """An op of the op table, as the interpreter has it on words."""
    return meaning.apply(m.words, op, result, [(a, source) for a in args])


def _float(op: Op) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        t = format_of(types[0])
        return on_floats(m, op, t, t, args)

    return run


FLOATS: dict[str, Meaning] = {
    "fadd": _float(ops.ADD),
    "fsub": _float(ops.SUB),
    "fmul": _float(ops.MUL),
    "fdiv": _float(ops.DIV),
    "fneg": _float(ops.NEG),
}
"""By opcode: arithmetic of floats."""

ORDERED = {"oeq": ops.EQ, "olt": ops.LT, "ole": ops.LE, "ogt": ops.GT, "oge": ops.GE, "une": ops.NE}
OPPOSITE = {"one": "une", "ueq": "oeq", "ult": "oge", "ule": "ogt", "ugt": "ole", "uge": "olt"}


def compare_floats(m: Machine, predicate: str, t: Type, a: Word, b: Word) -> Word:
    """A comparison of floats: ordered ones are false for a NaN, unordered ones are the opposite of ordered ones."""
    fmt = format_of(t)
    if predicate in ORDERED:
        return on_floats(m, ORDERED[predicate], BOOL, fmt, (a, b))
    if predicate in ("ord", "uno"):
        both = [on_floats(m, ops.EQ, BOOL, fmt, (x, x)) for x in (a, b)]
        numbers = m.words.and_(1, *both)
        return numbers if predicate == "ord" else m.words.xor(1, numbers, 1)
    if predicate in ("one", "ueq"):
        apart = m.words.and_(1, compare_floats(m, "une", t, a, b), compare_floats(m, "ord", t, a, b))
        return apart if predicate == "one" else m.words.xor(1, apart, 1)
    return m.words.xor(1, compare_floats(m, OPPOSITE[predicate], t, a, b), 1)


# ---------------------------------------------------------------------------------------------------------- conversions


def convert(m: Machine, opcode: str, source: Type, target: Type, v: Word) -> Word:
    """A conversion of a scalar."""
    words, w, to = m.words, source.bits, target.bits
    match opcode:
        case "trunc":
            return words.ext(v, 0, to)
        case "zext":
            return words.zext(v, w, to)
        case "sext":
            return words.sext(v, w, to)
        case "bitcast" | "ptrtoint" | "inttoptr":
            return v
        case "fpext" | "fptrunc":
            return on_floats(m, ops.CAST, format_of(target), format_of(source), (v,))
        case "sitofp" | "uitofp":
            return meaning.apply(words, ops.CAST, format_of(target), [(v, IntType(w, opcode[0] == "s"))])
        case "fptosi" | "fptoui":
            return meaning.apply(words, ops.CAST, IntType(to, opcode[4] == "s"), [(v, format_of(source))])
        case _:
            raise Unsupported(f"the LLVM instruction {opcode}")


# ----------------------------------------------------------------------------------------------------------- intrinsics


def _extreme(predicate: str) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        w = types[0].bits
        return m.words.ite(w, compare(m, predicate, w, *args), *args)

    return run


def _absolute(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
    w, v = types[0].bits, args[0]
    return m.words.ite(w, m.words.ext(v, w - 1, 1), m.words.neg(w, v), v)


def _overflowing(name: str, is_signed: bool) -> Meaning:
    def run(m: Machine, flags: Sequence[str], types: Sequence[Type], args: Sequence[Word]) -> Word:
        w = types[0].bits
        fits = _fits(m, name, w, args, is_signed)
        return getattr(m.words, name)(w, *args), m.words.xor(1, fits, 1)

    return run


INTRINSICS: dict[str, Meaning] = {
    "smax": _extreme("sgt"),
    "smin": _extreme("slt"),
    "umax": _extreme("ugt"),
    "umin": _extreme("ult"),
    "abs": _absolute,
    "fma": _float(ops.FMA),
    "sqrt": _float(ops.SQRT),
    "fabs": _float(ops.ABS),
    "maximum": _float(ops.MAX),
    "minimum": _float(ops.MIN),
    "floor": _float(ops.FLOOR),
    "ceil": _float(ops.CEIL),
    "trunc": _float(ops.TRUNC),
    **{f"{s}{name}.with.overflow": _overflowing(name, s == "s") for s in "su" for name in ("add", "sub", "mul")},
}
"""By name without `llvm.` and types: functions of scalars, on vectors lane by lane."""
