"""NaN is one value: whatever operator makes or passes it, what reads its pattern sees the quiet one without sign.

In memory it has that pattern too where the interpreter or hardware has stored it; the CPU stores the pattern that its
instructions give, and judges take it for the same.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import opcases
import pytest

import gemel as gm
from gemel.semantics import ops
from gemel.semantics.convert import Value, to_bits
from gemel.semantics.dtypes import F32, F64, FLOATS, FloatType
from gemel.semantics.ops import Op
from gemel.semantics.storage import filled, one_nan, patterns, same_bits

OPERANDS = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1.0)
EACH = pytest.mark.parametrize("fmt", FLOATS.values(), ids=str)


def on_floats(fmt: FloatType) -> list[Op]:
    """All ops of the table that give floats of floats."""
    cases = [opcases.make(op, (fmt,) * op.arity) for op in ops.TABLE.values()]
    return [c.op for c in cases if c is not None and c.dtype == fmt]


def kernel_of(some: Sequence[Op], fmt: FloatType) -> gm.Kernel:
    """A kernel that does ops of one arity on rows of operands, and stores each result and its pattern."""
    rows = range(some[0].arity)
    results = ", ".join(f"y_{op}: {fmt}[N], p_{op}: u{fmt.width}[N]" for op in some)
    args = ", ".join(f"x{n}[i]" for n in rows)
    body = "\n".join(
        f"let r_{op}: {fmt} = {op}({args})  y_{op}[i] = r_{op}  p_{op}[i] = bitcast(r_{op}):u{fmt.width}" for op in some
    )
    params = ", ".join(f"x{n}: {fmt}[N]" for n in rows)
    return gm.parse(f"kernel nans_{fmt}[N]({params}) -> ({results}) {{ for i in 0 .. N {{ {body} }} }}")


def operands(arity: int, fmt: FloatType) -> list[Any]:
    rows = itertools.product(OPERANDS, repeat=arity)
    return [filled([to_number(x, fmt) for x in column], fmt, (len(column),)) for column in zip(*rows, strict=True)]


def to_number(x: float, fmt: FloatType) -> Value:
    return ops.CAST.meaning(fmt, (F64,), (x,))


def expected(op: Op, fmt: FloatType, columns: list[Any]) -> list[int]:
    values = zip(*(c.astype(np.float64).tolist() for c in columns), strict=True)
    return [to_bits(op.meaning(fmt, (fmt,) * op.arity, v), fmt) for v in values]


def words(array: Any, fmt: FloatType) -> list[int]:
    return array.view(patterns(fmt)).tolist()  # type: ignore[no-any-return]


def by_arity(fmt: FloatType) -> Iterator[tuple[list[Op], list[Any]]]:
    for arity in (1, 2, 3):
        yield [op for op in on_floats(fmt) if op.arity == arity], operands(arity, fmt)


@EACH
def test_of_every_op_in_the_interpreter_and_on_the_cpu(fmt: FloatType) -> None:
    for some, columns in by_arity(fmt):
        kernel = kernel_of(some, fmt)
        interpreted, one = kernel.interpret(*columns), kernel(*(c[:1] for c in columns))
        native = kernel(*columns)
        for n, op in enumerate(some):
            wanted = expected(op, fmt, columns)
            assert fmt.nan in wanted
            value, pattern = interpreted[2 * n : 2 * n + 2]
            assert words(value, fmt) == pattern.tolist() == native[2 * n + 1].tolist() == wanted, op
            assert one[2 * n + 1].tolist() == wanted[:1], op
            assert same_bits(native[2 * n], value) and words(one_nan(native[2 * n]), fmt) == wanted, op


@EACH
def test_of_operators_in_hardware(fmt: FloatType) -> None:
    for every, columns in by_arity(fmt):
        some = [op for op in every if op not in ops.ELEMENTARY]
        results = kernel_of(some, fmt).synth(N=len(columns[0])).simulate(*columns).outputs
        for n, op in enumerate(some):
            value, pattern = results[2 * n : 2 * n + 2]
            assert words(value, fmt) == pattern.tolist() == expected(op, fmt, columns), op


@pytest.mark.slow
@pytest.mark.parametrize("op", [ops.SIGMOID, ops.RSQRT, ops.LOG, ops.POW], ids=repr)
def test_of_elementary_functions_in_hardware(op: Op) -> None:
    columns = operands(op.arity, F32)
    value, pattern = kernel_of([op], F32).synth(N=len(columns[0])).simulate(*columns).outputs
    assert words(value, F32) == pattern.tolist() == expected(op, F32, columns)
