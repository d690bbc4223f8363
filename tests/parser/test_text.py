"""The text form: what it refuses, and that nothing but ParseError ever comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gemel as gm
from gemel.errors import ParseError
from gemel.semantics import build
from gemel.semantics.dtypes import BF16, F16, F32, F64
from gemel.semantics.equal import same
from gemel.semantics.ir import Buffer, Const, Kernel, Store
from gemel.semantics.text import print_kernel

GOOD = """kernel f[N](a: i8[N], s: u5) -> (r: i32[N]) {
  table w: i8[2] = [1, -2]
  for i in 0 .. N {
    let x: i16 = a[i] * w[i % 2]
    if (x > 0:i8) and (s != 0:u5) {
      r[i] = cast(x):i32
    } else {
      r[i] = 0:i32
      r[i] add= 1:i32
    }
  }
}"""


def refused(text: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        gm.parse(text)
    assert caught.value.code in ("I01", "I02")
    return caught.value


def test_a_text_runs() -> None:
    k = gm.parse(GOOD)
    np.testing.assert_array_equal(k(np.array([3, 4, 5], np.int8), 1), [3, 1, 5])
    np.testing.assert_array_equal(k.interpret(np.array([3, 4, 5], np.int8), 1), [3, 1, 5])


@pytest.mark.parametrize(
    ("broken", "line", "part"),
    [
        (GOOD.replace("let x: i16", "let x: i17"), 4, "x is i17, the value is i16"),
        (GOOD.replace("a[i] * w", "b[i] * w"), 4, "b is not a buffer"),
        (GOOD.replace("w[i % 2]", "w[i % 2, 0]"), 4, "2 indices"),
        (GOOD.replace("i8[N], s", "i8[N] s"), 1, "unexpected"),
        (GOOD.replace("[1, -2]", "[1, 300]"), 2, "value of the table"),
        (GOOD.replace("[1, -2]", "[1]"), 2, "with 1 values"),
        (GOOD.replace("cast(x):i32", "cast(x)"), 6, "needs a type"),
        (GOOD.replace("cast(x):i32", "frob(x):i32"), 6, "frob is no op"),
        (GOOD.replace("1:i32", "1.5:i32"), 9, "no integer"),
        (GOOD.replace("u5)", "u9000)"), 1, "no element type"),
        (GOOD.replace("r[i] = ", "w[i] = "), 6, "a store to the table w"),
        (GOOD[:-2], 12, "ends too early"),
    ],
)
def test_places(broken: str, line: int, part: str) -> None:
    error = refused(broken)
    assert part in str(error)
    assert error.span is not None and abs(error.span.line - line) <= 1
    assert "^" in str(error)


@pytest.mark.parametrize(
    "text",
    ["", "kernel", "x" * 10_000, "(" * 50_000, GOOD.replace("a[i] * w[i % 2]", "(" * 5000 + "1" + ")" * 5000), "\x00",
     "kernel f() { let x: i8 = " + "-" * 1000 + "1 }", GOOD.replace("i16", "i" + "9" * 5000), "ключ" * 100],
)  # fmt: skip
def test_hostile(text: str) -> None:
    refused(text)


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 12), st.text(max_size=6))
def test_mutations_give_parse_errors_or_kernels(at: int, cut: int, new: str) -> None:
    text = GOOD[:at] + new + GOOD[at + cut :]
    try:
        kernel = gm.parse(text).ir
    except ParseError:
        return
    assert same(gm.parse(print_kernel(kernel)).ir, kernel)


@given(st.text())
def test_any_text_gives_a_parse_error(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("dtype", [F16, BF16, F32, F64])
@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, 1e-45, 65504.0, math.inf, -math.inf, math.nan])
def test_float_literals_survive(dtype: object, value: float) -> None:
    literal = build.convert(Const(value, F64, build.BUILTIN), dtype)  # type: ignore[arg-type]
    r = Buffer("r", dtype, (), build.BUILTIN)  # type: ignore[arg-type]
    kernel = Kernel("f", (), (), (r,), (Store(r, (), literal, build.BUILTIN),), build.BUILTIN)
    assert same(gm.parse(print_kernel(kernel)).ir, kernel)


def test_names_that_are_keywords_or_collide() -> None:
    @gm.kernel
    def names(step: gm.i32, table: gm.i32) -> gm.i32:
        yields = step
        return gm.cast(yields + table, gm.i32)

    text = str(names.ir)
    assert gm.parse(text)(2, 3) == 5


def test_calls_print_their_callees() -> None:
    @gm.kernel
    def double(x: gm.i32) -> gm.i32:
        return gm.cast(x * 2, gm.i32)

    @gm.kernel
    def twice(x: gm.i32) -> gm.i32:
        return double(double(x))

    again = gm.parse(str(twice.ir))
    assert same(again.ir, twice.ir)
    assert again(5) == twice(5) == 20
