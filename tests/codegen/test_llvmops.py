"""Every op of the op table as LLVM IR against its meaning, at widths and values where mistakes show."""

from __future__ import annotations

import ctypes
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opcases import Batch, Case, agrees, arbitrary, cases_of, corners, make, pack

from gemel.codegen import widediv
from gemel.codegen.emitter import Emitter
from gemel.codegen.jit import compile_text
from gemel.codegen.llvmops import TABLE, emit
from gemel.semantics import ops
from gemel.semantics.convert import from_bits, to_bits
from gemel.semantics.dtypes import (
    BF16,
    BOOL,
    F8E4M3,
    F8E5M2,
    F16,
    F32,
    FLOATS,
    INDEX,
    DType,
    FloatType,
    Int,
    IntType,
    UInt,
)
from gemel.semantics.ops import Op
from gemel.semantics.rounding import round_float

ALL = [op for op in ops.TABLE.values() if op is not ops.NARROW]  # a cast by the time that code is made
FAST = 16
"""Cases of an op in the fast test."""


def some(op: Op, count: int) -> list[Case]:
    cases = cases_of(op)
    return random.Random(op.name).sample(cases, min(count, len(cases)))


def test_every_op_has_a_row() -> None:
    assert set(TABLE) == set(ALL)


@pytest.mark.parametrize("op", ALL, ids=repr)
def test_some_types(op: Op) -> None:
    assert Batch(some(op, FAST), level=2).failures(random.Random(1)) == []


@pytest.mark.slow
@pytest.mark.parametrize("op", ALL, ids=repr)
def test_all_types(op: Op) -> None:
    cases = cases_of(op)
    assert len(cases) >= (1 if op in (ops.LAND, ops.LOR, ops.LNOT) else 4)
    assert Batch(cases, level=3).failures(random.Random(2), 100) == []


FEW_OR_ALL = [pytest.param(False, id="few"), pytest.param(True, id="all", marks=pytest.mark.slow)]


@pytest.mark.parametrize("every", FEW_OR_ALL)
@pytest.mark.parametrize("level", [0, 1, 3])
def test_levels_of_optimisation_agree(level: int, every: bool) -> None:
    cases = [case for op in ALL for case in some(op, 4 if every else 1)]
    assert Batch(cases, level=level).failures(random.Random(3)) == []


@pytest.mark.parametrize("every", FEW_OR_ALL)
@pytest.mark.parametrize("half", [False, True], ids=["by integers", "by the CPU"])
def test_half_with_and_without_instructions(half: bool, every: bool) -> None:
    cases = [case for op in ALL for case in cases_of(op) if F16 in (case.dtype, *case.types)]
    if not every:
        cases = random.Random(5).sample(cases, 60)
    assert Batch(cases, half=half, level=2).failures(random.Random(4), 60) == []


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [F8E4M3, F8E5M2, F16, BF16], ids=str)
def test_values_of_a_format(fmt: FloatType) -> None:
    """Unary ops and conversions of all values of eight bits, of each 23rd of sixteen."""
    unary = [op for op in ALL if op.arity == 1 and op not in (ops.LNOT, ops.INVERT, ops.SATURATE)]
    targets = (*FLOATS.values(), Int(8), UInt(13), Int(64), Int(100), Int(16))
    cases = [case for op in unary for case in cases_of(op) if case.types == (fmt,) and case.dtype in targets]
    batches = [Batch(cases, half, level=2) for half in ((True, False) if fmt == F16 else (True,))]
    rows = [(from_bits(bits, fmt),) for bits in range(0, 1 << fmt.width, 1 if fmt.width == 8 else 23)]
    for n, case in enumerate(cases):
        want = [case.expected(row) for row in rows]
        for batch in batches:
            results = zip(rows, batch.run(n, rows), want, strict=True)
            wrong = [row for row, got, value in results if not agrees(got, value, case.dtype)]
            assert (case.name, wrong[:3]) == (case.name, [])


# ------------------------------------------------------------------------------------------------ types, values drawn

INTEGERS = st.one_of(
    st.just(BOOL),
    st.just(INDEX),
    st.builds(
        IntType, st.one_of(st.integers(1, 70), st.sampled_from([96, 127, 128, 129, 191, 200, 256])), st.booleans()
    ),
)


@st.composite
def op_cases(draw: st.DrawFn) -> tuple[Case, list[tuple[object, ...]]]:
    op = draw(st.sampled_from([op for op in ALL if op not in (ops.BITS, ops.BITCAST)]))
    floats = op.arity <= 3 and draw(st.integers(0, 4)) == 0
    one = draw(st.sampled_from(list(FLOATS.values())))
    types: list[DType] = [one if floats else draw(INTEGERS) for _ in range(op.arity)]
    if op is ops.SELECT:
        types[0] = BOOL
    target = draw(st.one_of(INTEGERS, st.sampled_from(list(FLOATS.values())))) if op.rule is None else None
    case = make(op, types, target) or Case(ops.CAST, F32, (types[0],), (None,))
    row = st.tuples(*(st.one_of(st.sampled_from(corners(t)), _random(t)) for t in case.types))
    return case, draw(st.lists(row, min_size=1, max_size=40))


def _random(dtype: DType) -> st.SearchStrategy[object]:
    return st.randoms(use_true_random=False).map(lambda rng: arbitrary(rng, dtype))


@settings(max_examples=25)
@given(op_cases())
def test_drawn_cases(drawn: tuple[Case, list[tuple[object, ...]]]) -> None:
    case, rows = drawn
    for row, got in zip(rows, Batch([case], level=2).run(0, rows), strict=True):  # type: ignore[arg-type]
        want = case.expected(row)  # type: ignore[arg-type]
        assert got == pack(want, case.dtype) or (isinstance(case.dtype, FloatType) and want != want), (row, want)


# --------------------------------------------------------------------------------------------------------- hard corners


@pytest.mark.parametrize("fmt", FLOATS.values(), ids=str)
@pytest.mark.parametrize("width", [25, 54, 64, 65, 128, 200, pytest.param(1500, marks=pytest.mark.slow)])
def test_integers_half_way_between_floats(fmt: FloatType, width: int) -> None:
    """The nearest float of a number at, just below and just above the middle of two floats."""
    rows = []
    for dtype in (Int(width), UInt(width)):
        top = dtype.hi.bit_length()
        for bits in range(fmt.mantissa + 2, top + 1):
            even = ((1 << fmt.mantissa) | 2) << (bits - fmt.mantissa - 1)
            half = 1 << (bits - fmt.mantissa - 2)
            near = [even + half + d for d in (-1, 0, 1)] + [even - half + d for d in (-1, 0, 1)]
            rows += [(v,) for v in near + [-v for v in near] if dtype.lo <= v <= dtype.hi]
        case = make(ops.CAST, (dtype,), fmt)
        assert case is not None
        for row, got in zip(rows, Batch([case], level=2).run(0, rows), strict=True):
            assert got == pack(case.expected(row), fmt), row
        rows = []


def test_fused_multiply_add_rounds_once() -> None:
    """Products that lie a hair off the middle of two results."""
    for fmt in FLOATS.values():
        case = make(ops.FMA, (fmt, fmt, fmt))
        assert case is not None
        one, step = 1.0, 2.0**-fmt.mantissa
        rows = [(one + a * step, one + b * step, c) for a in range(6) for b in range(6) for c in _tiny(fmt)]
        rows += [(one + step, one - step / 2, -one), (one + step, one + step, -(one + 2 * step))]
        rows = [row for row in rows if all(round_float(v, fmt) == v for v in row)]
        for row, got in zip(rows, Batch([case], level=2).run(0, rows), strict=True):
            assert got == pack(case.expected(row), fmt), (fmt, row)


def _tiny(fmt: FloatType) -> list[float]:
    least = from_bits(1, fmt)
    return [0.0, least, -least, 2.0 ** -(fmt.mantissa + 1), -(2.0 ** -(fmt.mantissa + 1)), -1.0]


@pytest.mark.parametrize("name", widediv.NAMES)
def test_wide_division(name: str) -> None:
    """The functions that LLVM calls for 128 bits, which the tests of the ops may have folded or widened away."""
    rng = random.Random(name)
    instruction = dict(zip(widediv.NAMES, ("udiv", "urem", "sdiv", "srem"), strict=True))[name]
    lines = [
        *(f"%{v} = load i128, ptr %p{v}, align 8" for v in "xy"),
        f"%z = {instruction} i128 %x, %y",
        "store i128 %z, ptr %pz, align 8",
        "ret void",
    ]
    text = "\n".join(["define void @divide_at(ptr %px, ptr %py, ptr %pz) {", *lines, "}"])
    code = compile_text(text)
    assert name in code.asm
    run = code.function("divide_at", None, *[ctypes.c_char_p] * 2, ctypes.c_void_p)
    dtype = Int(128) if name in ("__divti3", "__modti3") else UInt(128)
    for _ in range(3000):
        x, y = (from_bits(rng.getrandbits(128) >> rng.randrange(128), dtype) for _ in range(2))
        if y == 0 or (x, y) == (dtype.lo, -1):
            continue
        result = ctypes.create_string_buffer(16)
        run(pack(x, dtype), pack(y, dtype), ctypes.addressof(result))
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        want = x - quotient * y if name.endswith("modti3") else quotient
        assert result.raw == pack(want, dtype), (x, y)


def test_no_flag_that_lets_llvm_change_a_float() -> None:
    out = Emitter()
    for op in ALL:
        for case in some(op, 60):
            args = [
                (f"%a{n}" if v is None else str(v), t)
                for n, (t, v) in enumerate(zip(case.types, case.literals, strict=True))
            ]
            if not any(
                v is not None and isinstance(t, FloatType) for t, v in zip(case.types, case.literals, strict=True)
            ):
                emit(op, case.dtype, args, out)
    words = {word for line in out.lines for word in line.split()}
    assert not words & {"fast", "nnan", "ninf", "nsz", "arcp", "contract", "afn", "reassoc"}


def test_a_wrong_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TABLE, ops.SUB, TABLE[ops.ADD])
    assert Batch(some(ops.SUB, 5), level=0).failures(random.Random(1)) != []


@pytest.mark.parametrize("fmt", [F8E4M3, F8E5M2, F16, BF16], ids=str)
def test_patterns_round_trip(fmt: FloatType) -> None:
    values = [from_bits(b, fmt) for b in range(1 << fmt.width)]
    assert all(to_bits(v, fmt) == (b if v == v else fmt.nan) for b, v in enumerate(values))
