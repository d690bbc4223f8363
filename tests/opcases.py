"""Every op at many types, as one LLVM module per group of cases: each case a loop over rows of operands in memory."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from gemel.codegen import llvmops
from gemel.codegen.emitter import Emitter
from gemel.codegen.jit import compile_text, converts_half
from gemel.semantics import ops
from gemel.semantics.convert import Value, from_bits, same_float, to_bits
from gemel.semantics.dtypes import (
    BOOL,
    F64,
    FLOATS,
    INDEX,
    BoolType,
    DType,
    FloatType,
    Int,
    IntType,
    UInt,
    as_int,
    storage_bits,
    width_of,
)
from gemel.semantics.ops import Op
from gemel.semantics.typerules import Operand, RuleError

NARROW: tuple[DType, ...] = (BOOL, UInt(1), Int(1), Int(7), UInt(8), Int(8), UInt(13), Int(16), UInt(32), Int(32))
LONG: tuple[DType, ...] = (Int(33), UInt(63), Int(64), UInt(64), INDEX, UInt(65), Int(100), Int(128), UInt(128))
WIDE: tuple[DType, ...] = (Int(129), UInt(200), Int(321))
INTEGERS = (*NARROW, *LONG, *WIDE)
ALL_FLOATS: tuple[DType, ...] = tuple(FLOATS.values())

MAY_NARROW = (
    *(ops.ADD, ops.SUB, ops.MUL, ops.FLOORDIV, ops.MOD, ops.NEG, ops.ABS, ops.INVERT, ops.MIN, ops.MAX),
    *(ops.AND, ops.OR, ops.XOR, ops.SHL, ops.SHR),
)
CONVERSIONS = (ops.CAST, ops.SATURATE, ops.BITCAST)
ROWS = 48


@dataclass(frozen=True)
class Case:
    """An op at given operand types; a literal operand has its value."""

    op: Op
    dtype: DType
    types: tuple[DType, ...]
    literals: tuple[Value | None, ...]

    @property
    def name(self) -> str:
        shown = [str(t) if v is None else f"{v}:{t}" for t, v in zip(self.types, self.literals, strict=True)]
        return f"{self.op.name}({', '.join(shown)}) -> {self.dtype}"

    @property
    def inputs(self) -> list[DType]:
        return [t for t, v in zip(self.types, self.literals, strict=True) if v is None]

    def expected(self, row: Sequence[Value]) -> Value:
        given = iter(row)
        values = [next(given) if v is None else v for v in self.literals]
        if self.op in (ops.SHL, ops.SHR):
            values[1] = min(values[1], 9000)
        return self.op.meaning(self.dtype, self.types, tuple(values))


def make(
    op: Op, types: Sequence[DType], dtype: DType | None = None, literals: Sequence[Value | None] = ()
) -> Case | None:
    """A case at the type that the rule gives, or at `dtype`; None where the operands don't fit the op."""
    values = tuple(literals) or (None,) * len(types)
    if dtype is None:
        try:
            dtype = op.rule(tuple(Operand(t, v) for t, v in zip(types, values, strict=True))) if op.rule else None
        except RuleError:
            return None
    return None if dtype is None else Case(op, dtype, tuple(types), values)


# ------------------------------------------------------------------------------------------------------------- values


def corners(dtype: DType) -> list[Value]:
    """The values at which mistakes show."""
    if isinstance(dtype, FloatType):
        return float_corners(dtype)
    if isinstance(dtype, BoolType):
        return [False, True]
    lo, hi = dtype.lo, dtype.hi
    near = {lo, lo + 1, hi, hi - 1, 0, 1, -1, 2, -2, 3, 7, 8, -8, 31, 64, 100, hi // 2, lo // 2, hi // 3}
    return sorted(v for v in near if lo <= v <= hi)


def float_corners(fmt: FloatType) -> list[Value]:
    one = fmt.bias << fmt.mantissa
    top = ((1 << fmt.exponent) - 1) << fmt.mantissa if not fmt.finite else fmt.nan
    least_normal = 1 << fmt.mantissa
    patterns = {0, 1, 2, 3, least_normal - 1, least_normal, least_normal + 1, one - 1, one, one + 1, top - 1, top}
    patterns |= {one + (1 << fmt.mantissa), one + (3 << (fmt.mantissa - 1)), one - (1 << fmt.mantissa)}
    values: list[Value] = [from_bits(p, fmt) for p in sorted(patterns)]
    values += [from_bits(p | 1 << (fmt.width - 1), fmt) for p in sorted(patterns)]
    whole = [float(n) for n in (2, 2.5, 3, 3.5, 127, 128, 255.5, 256, 2.0**31, 2.0**32, 2.0**63, 2.0**64)]
    values += [v for x in whole for v in (ops.CAST.meaning(fmt, (F64,), (x,)), ops.CAST.meaning(fmt, (F64,), (-x,)))]
    return [*values, float("nan")]


def arbitrary(rng: random.Random, dtype: DType) -> Value:
    if isinstance(dtype, FloatType):
        if rng.random() < 0.3:  # with a moderate exponent
            return ops.CAST.meaning(dtype, (F64,), (rng.uniform(-1000, 1000) * 2.0 ** rng.randint(-20, 20),))
        return from_bits(rng.getrandbits(dtype.width), dtype)
    width = width_of(dtype)
    return from_bits(rng.getrandbits(width) >> rng.randrange(width), dtype)


def rows_for(rng: random.Random, types: Sequence[DType], count: int = ROWS) -> list[tuple[Value, ...]]:
    """Rows of operands: corners with corners, corners with arbitrary values, arbitrary ones."""

    def draw(dtype: DType) -> Value:
        return rng.choice(corners(dtype)) if rng.random() < 0.6 else arbitrary(rng, dtype)

    return [tuple(map(draw, types)) for _ in range(count)]


# --------------------------------------------------------------------------------------------------------------- cases


def pairs() -> Iterator[tuple[DType, DType]]:
    for a in NARROW:
        yield from ((a, b) for b in NARROW)
    for t in (*LONG, *WIDE):
        yield from ((t, t), (t, Int(7)), (UInt(8), t), (t, Int(64)), (UInt(65), t))


def binary_cases(op: Op) -> Iterator[Case | None]:
    yield from (make(op, pair) for pair in pairs())
    yield from (make(op, (t, t)) for t in ALL_FLOATS)


def unary_cases(op: Op) -> Iterator[Case | None]:
    yield from (make(op, (t,)) for t in (*INTEGERS, *ALL_FLOATS))


def narrowed_cases(op: Op) -> Iterator[Case | None]:
    """At result types that don't hold every result: they wrap."""
    rng = random.Random(op.name)
    for a, b in (*pairs(), (UInt(3), Int(2)), (Int(1), Int(1)), (INDEX, Int(8)), (INDEX, INDEX)):
        for t in rng.sample((Int(1), UInt(2), Int(5), UInt(3), Int(8), UInt(16), Int(31), Int(33), INDEX, UInt(70)), 2):
            yield make(op, (a, b) if op.arity == 2 else (a,), t)


def literal_cases(op: Op) -> Iterator[Case | None]:
    for t in (UInt(8), Int(8), Int(13), UInt(32), Int(32), INDEX, UInt(64), Int(65), UInt(100), Int(130)):
        for value in (-(1 << 64), -9, -2, -1, 0, 1, 2, 3, 7, 8, 10, 31, 255, 4096):
            kind = t if t.lo <= value <= t.hi else Int(66)
            yield make(op, (t, kind), None, (None, value))
            yield make(op, (kind, t), None, (value, None))


def field_cases() -> Iterator[Case | None]:
    for t in INTEGERS:
        width = width_of(t)
        for hi, lo in {(width - 1, 0), (width - 1, width // 2), (width // 2, 0), (width // 2, width // 3)}:
            yield make(ops.BITS, (t, INDEX, INDEX), None, (None, hi, lo))


def select_cases() -> Iterator[Case | None]:
    for a, b in pairs():
        yield make(ops.SELECT, (BOOL, a, b))
    yield from (make(ops.SELECT, (BOOL, t, t)) for t in ALL_FLOATS)


def conversion_cases(op: Op) -> Iterator[Case | None]:
    """From each type to each; a bitcast between types of one width."""
    every = (*INTEGERS, *ALL_FLOATS, Int(1500), UInt(2200))
    targets = (*every, UInt(24), Int(25), UInt(53), Int(54))
    for source in (*every, Int(25), Int(54)):
        for target in (*targets, IntType(width_of(source), True), IntType(width_of(source), False)):
            if op is not ops.BITCAST or width_of(source) == width_of(target):
                yield make(op, (source,), target)


def cases_of(op: Op) -> list[Case]:
    """All cases of an op that its type rule allows."""
    found: list[Case | None] = []
    if op in CONVERSIONS:
        found += conversion_cases(op)
    elif op is ops.BITS:
        found += field_cases()
    elif op is ops.SELECT:
        found += select_cases()
    elif op in (ops.FMA, ops.FMA_FLUSH):
        found += (make(op, (t, t, t)) for t in ALL_FLOATS)
    elif op.arity == 1:
        found += unary_cases(op)
    else:
        found += binary_cases(op)
    if op in MAY_NARROW:
        found += narrowed_cases(op)
    if op.arity == 2:
        found += literal_cases(op)
    return list(dict.fromkeys(c for c in found if c is not None))


# --------------------------------------------------------------------------------------------------------------- runs


def size_of(dtype: DType) -> int:
    return storage_bits(dtype) // 8


def emit_case(case: Case, name: str, half: bool) -> tuple[str, set[str]]:
    """A function `name(ptr in, ptr out, i64 rows)`: rows of operands in, results out."""
    out = Emitter(half=half)
    stride = sum(map(size_of, case.inputs)) or 1
    out.start("head")
    at = out.value(f"mul i64 %n, {stride}")
    offset, args = 0, []
    for dtype, literal in zip(case.types, case.literals, strict=True):
        if literal is not None:
            args.append((llvmops.constant(literal, dtype), dtype))
            continue
        place = out.value(f"add i64 {at}, {offset}")
        pointer = out.value(f"getelementptr i8, ptr %in, i64 {place}")
        raw = out.value(f"load {llvmops.memory_type(dtype)}, ptr {pointer}, align 1")
        args.append((llvmops.from_memory(out, raw, dtype), dtype))
        offset += size_of(dtype)
    result = llvmops.emit(case.op, case.dtype, args, out)
    raw = llvmops.to_memory(out, result, case.dtype)
    place = out.value(f"mul i64 %n, {size_of(case.dtype)}")
    pointer = out.value(f"getelementptr i8, ptr %out, i64 {place}")
    out.do(f"store {llvmops.memory_type(case.dtype)} {raw}, ptr {pointer}, align 1")
    body = "\n".join(out.lines[1:])
    text = f"""define void @{name}(ptr noalias %in, ptr noalias %out, i64 %rows) {{
entry:
  br label %head
head:
  %n = phi i64 [ 0, %entry ], [ %next, %head ]
{body}
  %next = add nuw nsw i64 %n, 1
  %over = icmp uge i64 %next, %rows
  br i1 %over, label %done, label %head
done:
  ret void
}}
"""
    return text, out.declarations


def pack(value: Value, dtype: DType) -> bytes:
    """As it lies in memory: extended by its sign."""
    bits = to_bits(value, dtype)
    whole = None if isinstance(dtype, FloatType) else as_int(dtype)
    if whole is not None and whole.signed and int(value) < 0:
        bits |= (1 << storage_bits(dtype)) - (1 << whole.width)
    return bits.to_bytes(size_of(dtype), "little")


class Batch:
    """Cases compiled in one module."""

    def __init__(self, cases: Sequence[Case], half: bool | None = None, level: int = 3) -> None:
        self.cases = list(cases)
        self.half = converts_half() if half is None else half
        self.level = level

    @cached_property
    def code(self) -> object:
        declarations: set[str] = set()
        texts = []
        for n, case in enumerate(self.cases):
            text, needed = emit_case(case, f"case{n}", self.half)
            declarations |= needed
            texts.append(text)
        return compile_text("\n".join([*sorted(declarations), *texts]), self.level)

    def run(self, n: int, rows: Sequence[Sequence[Value]]) -> list[bytes]:
        """The results of a case, as they lie in memory."""
        case = self.cases[n]
        data = b"".join(pack(v, t) for row in rows for v, t in zip(row, case.inputs, strict=True)) or b"\0"
        size = size_of(case.dtype)
        results = ctypes.create_string_buffer(size * len(rows))
        function = self.code.function(f"case{n}", None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)  # type: ignore[attr-defined]
        function(data, ctypes.addressof(results), len(rows))
        return [results.raw[k * size : (k + 1) * size] for k in range(len(rows))]

    def failures(self, rng: random.Random, count: int = ROWS) -> list[str]:
        """What differs from the meaning."""
        found = []
        for n, case in enumerate(self.cases):
            rows = rows_for(rng, case.inputs, count)
            for row, got in zip(rows, self.run(n, rows), strict=True):
                want = case.expected(row)
                if not agrees(got, want, case.dtype):
                    found.append(
                        f"{case.name} of {row}: {got[::-1].hex()}, not {want!r} ({pack(want, case.dtype)[::-1].hex()})"
                    )
        return found


def agrees(got: bytes, want: Value, dtype: DType) -> bool:
    """Same value; for integers the whole of the memory, so that the extension counts."""
    if not isinstance(dtype, FloatType):
        return got == pack(want, dtype)
    value = from_bits(int.from_bytes(got, "little"), dtype)
    return same_float(value, want)
