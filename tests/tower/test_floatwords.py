"""Float operators as functions of words: the meanings that the op table has, in each format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import floatwords as bench
import numpy as np
import prove_floats
import pytest

from gemel.parser import parse
from gemel.semantics import floats, ops, tower
from gemel.semantics.convert import Value, from_bits, to_bits
from gemel.semantics.dtypes import BF16, BOOL, F8E4M3, F8E5M2, F16, F32, F64, DType, FloatType, IntType, UInt
from gemel.semantics.interp import interpret
from gemel.semantics.ops import Op
from gemel.semantics.rounding import round_fraction

COUNT = 24


def operands(op: Op, source: DType) -> list[tuple[int, ...]]:
    """Some words of the campaign's kind, as Python ints."""
    rng = np.random.default_rng(len(op.name))
    drawn = [bench.random_words(source, COUNT, rng) for _ in range(op.arity)]
    if op.arity > 1:
        drawn[1][::3] = bench.near(drawn[0], source, rng)[::3]
    return [tuple(int(x) for x in row) for row in zip(*drawn, strict=True)]


def check(op: Op, source: DType, target: DType) -> None:
    run = tower.runner(floats.definition(op, source, target))
    for words in operands(op, source):
        values: tuple[Value, ...] = words
        if isinstance(source, FloatType):
            values = tuple(from_bits(w, source) for w in words)
        want = to_bits(op.meaning(target, (source,) * op.arity, values), target)
        got = to_bits(run(words), bench.word_of(target))
        if isinstance(target, FloatType):
            got = to_bits(from_bits(got, target), target)
        assert got == want, (op, source, target, [hex(w) for w in words])


def operators() -> Iterator[Any]:
    for op in bench.OPERATORS:
        for source, target in bench.cases(op):
            if op is not ops.CAST or F32 in (source, target) or F8E4M3 in (source, target):
                yield pytest.param(op, source, target, id=f"{op.name}-{source}-{target}")


@pytest.mark.parametrize("op, source, target", list(operators()))
def test_meaning(op: Op, source: DType, target: DType) -> None:
    check(op, source, target)


@pytest.mark.parametrize("width", [1, 2, 5, 24, 70])
def test_conversions_of_integers_of_any_width(width: int) -> None:
    for t in (F8E4M3, F16):
        for whole in (IntType(width, True), UInt(width)):
            values = {
                v for n in range(0, width, 3) for v in (1 << n, (1 << n) - 1, -(1 << n)) if whole.lo <= v <= whole.hi
            }
            run = tower.runner(floats.definition(ops.CAST, whole, t))
            for v in values:
                assert run((v,)) == to_bits(ops.CAST.meaning(t, (whole,), (v,)), t), (v, whole, t)
            back = tower.runner(floats.definition(ops.CAST, t, whole))
            for bits in bench.corner_words(t).tolist()[::3]:
                assert back((bits,)) == ops.CAST.meaning(whole, (t,), (from_bits(bits, t),)), (hex(bits), t, whole)


@pytest.mark.parametrize("t", [F32, F64], ids=str)
def test_scaling_rounds_once(t: FloatType) -> None:
    run, rng = tower.runner(floats.scaling(t)), np.random.default_rng(2)
    for k in (0, 1, -1, t.bias, t.bias + 1, -t.bias + 1, -t.bias - 1, -t.bias - t.mantissa, -2 * t.bias):
        for x in (1.0, -1.5, 3.75, 0.25, 2.0 - 2.0**-t.mantissa, float(rng.uniform(0.5, 2))):
            value = float(from_bits(to_bits(x, t), t))
            want = round_fraction(Fraction(value) * Fraction(2) ** k, t)
            want = math.copysign(want, value)
            assert run((to_bits(value, t), to_bits(float(k), t))) == to_bits(want, t), (x, k)
    assert run((t.nan, to_bits(3.0, t))) == t.nan


@pytest.mark.slow
def test_z3_proves_and_refutes() -> None:
    assert prove_floats.answer(ops.MUL, F8E5M2, 60) == "proved"
    assert prove_floats.answer(ops.MUL, F8E5M2, 60, changed=True) == "refuted"
    assert prove_floats.answer(ops.ADD, prove_floats.IEEE8, 60) == "proved"


@pytest.mark.slow
@pytest.mark.parametrize("t", [F8E4M3, F8E5M2], ids=str)
@pytest.mark.parametrize("op", [ops.ADD, ops.MUL, ops.DIV], ids=repr)
def test_all_pairs_of_8_bit_formats(op: Op, t: FloatType) -> None:
    assert bench.differences(op, t, t, 1 << 16) == (1 << 16, [])


@pytest.mark.slow
@pytest.mark.parametrize("op, t, target", [(ops.SQRT, F16, F16), (ops.CAST, BF16, F8E5M2), (ops.CAST, F16, F64)])
def test_all_16_bit_numbers(op: Op, t: FloatType, target: FloatType) -> None:
    assert bench.differences(op, t, target, 1 << 16) == (1 << 16, [])


@pytest.mark.slow
def test_fma_of_8_bit_formats_sampled() -> None:
    count, found = bench.differences(ops.FMA, F8E4M3, F8E4M3, 1 << 18)
    assert (count, found) == (1 << 18, [])


def test_the_comparison_finds_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    right = bench.mapped
    monkeypatch.setattr(bench, "mapped", lambda op, s, t, words: right(ops.NEG if words else ops.ABS, s, t, words))
    count, found = bench.differences(ops.ABS, F8E4M3, F8E4M3, 1 << 8)
    assert count == 1 << 8 and found


def test_operands_are_all_where_there_are_few() -> None:
    (pairs,) = bench.operands(ops.ADD, F8E4M3, 1)
    assert len({(int(a), int(b)) for a, b in zip(*pairs, strict=True)}) == 1 << 16
    (flags,) = bench.operands(ops.CAST, BOOL, 1)
    assert flags[0].tolist() == [False, True]


def test_operands_have_corners() -> None:
    first, second = islice(bench.operands(ops.ADD, F32, 1000), 2)
    for words in (0, 1, 0x7F800000, 0x7FC00000, 0x80000000, 0x007FFFFF, 0x3F800000):
        assert words in first[0] and words in first[1]
    assert len(second[0]) == 1000


def test_a_function_is_ir_with_a_text() -> None:
    kernel = floats.kernel(ops.ADD, F32, F32)
    again = parse(str(kernel))
    assert str(again) == str(kernel)
    assert interpret(again, [0x3F800000, 0x40000000]) == 0x40400000


def test_what_has_no_definition() -> None:
    with pytest.raises(TypeError, match="sin of f32"):
        floats.definition(ops.SIN, F32, F32)
    with pytest.raises(TypeError, match="add of i"):
        floats.definition(ops.ADD, IntType(8, True), F64)
