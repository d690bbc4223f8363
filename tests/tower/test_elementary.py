"""Elementary functions: at most one unit in the last place, and the same bits in the interpreter and on the CPU."""

from __future__ import annotations

import math
import random
from typing import Any

import elementary as bench
import gmpy2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gemel as gm
from gemel import f64
from gemel.semantics import ops, tower
from gemel.semantics.convert import from_bits, same_float
from gemel.semantics.dtypes import F8E4M3, F8E5M2, F64, FLOATS, FloatType
from gemel.semantics.rounding import round_float
from gemel.semantics.storage import filled, to_values

SPECIAL = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 2.2e-308, 1.7e308, -1.7e308, 0.5, 1e22]
UNARY = [op for op in ops.ELEMENTARY if op.arity == 1]


def compiled(op: ops.Op, dtype: FloatType) -> gm.Kernel:
    return bench.mapped(op.name, dtype)


@pytest.mark.parametrize("name", ["f16", "bf16"])
@pytest.mark.parametrize("function", bench.UNARY)
def test_every_16_bit_value(function: str, name: str) -> None:
    worst, at, count = bench.narrow(function, name, 1)
    assert count == 1 << 16
    assert worst <= 0.51, at


@pytest.mark.parametrize("dtype", [F8E4M3, F8E5M2], ids=str)
@pytest.mark.parametrize("function", bench.UNARY)
def test_every_8_bit_value_is_correctly_rounded(function: str, dtype: FloatType) -> None:
    values = [from_bits(bits, dtype) for bits in range(256)]
    got = to_values(bench.mapped(function, dtype)(filled(values, dtype, (256,))), dtype)
    with np.errstate(all="ignore"):
        want = bench.REFERENCES[function](np.array(values)).tolist()
    for x, g, w in zip(values, got, want, strict=True):
        assert same_float(g, round_float(w, dtype)), x


@pytest.mark.parametrize("function", bench.UNARY)
def test_f32_sampled(function: str) -> None:
    worst, at, _ = bench.narrow(function, "f32", 9973)
    assert worst <= 0.51, at


@pytest.mark.parametrize("function", [*bench.UNARY, "pow"])
def test_f64_against_mpfr(function: str) -> None:
    worst, at, _ = bench.wide(function, 3000)
    assert worst <= 0.8, at


@pytest.mark.parametrize("dtype", FLOATS.values(), ids=str)
@pytest.mark.parametrize("op", UNARY, ids=repr)
def test_interpreter_and_cpu_agree(op: ops.Op, dtype: FloatType) -> None:
    rng = random.Random(op.name)
    draws = [rng.uniform(-1, 1) * 2.0 ** rng.randint(-40, 40) for _ in range(30)]
    values = [ops.CAST.meaning(dtype, (F64,), (x,)) for x in [*SPECIAL, *draws]]
    got = to_values(compiled(op, dtype)(filled(values, dtype, (len(values),))), dtype)
    for x, g in zip(values, got, strict=True):
        assert same_float(tower.evaluate(op, dtype, (x,)), g), (x, g)


@given(st.floats(), st.floats())
def test_pow_agrees_with_the_interpreter(x: float, y: float) -> None:
    (got,) = bench.powers(np.array([x]), np.array([y]))
    assert same_float(tower.evaluate(ops.POW, F64, (x, y)), float(got))


def c_pow(x: float, y: float) -> float:
    """Python's pow where it follows C, with an exact sign of zero and infinity."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0 and y % 2 == 1 else math.inf
    except ValueError:
        if x == 0:
            return math.copysign(math.inf, x) if y % 2 == 1 else math.inf
        return math.nan


@pytest.mark.parametrize("y", [*SPECIAL, 2.0, 3.0, -2.0, -3.0, 2.0**53, 2.0**53 - 1, -0.5, 1e300, -1e300])
@pytest.mark.parametrize("x", [*SPECIAL, -2.0, 0.999, 1.001, -1e300, 1e-300])
def test_pow_of_special_values(x: float, y: float) -> None:
    got, wanted = tower.evaluate(ops.POW, F64, (x, y)), c_pow(x, y)
    assert same_float(float(got), wanted) or abs(got - wanted) <= math.ulp(wanted), (got, wanted)


SPECIAL_VALUES: list[tuple[str, float, float]] = [
    ("exp", -math.inf, 0.0), ("exp", math.inf, math.inf), ("exp", 0.0, 1.0), ("exp", 709.8, math.inf),
    ("exp", -745.2, 0.0), ("exp2", -1074.0, 5e-324), ("exp2", 10.0, 1024.0), ("exp2", 1024.0, math.inf),
    ("log", 1.0, 0.0), ("log", 0.0, -math.inf), ("log", -0.0, -math.inf), ("log", -1.0, math.nan),
    ("log", math.inf, math.inf), ("log2", 2.0**-1074, -1074.0), ("log2", 1024.0, 10.0),
    ("tanh", math.inf, 1.0), ("tanh", -math.inf, -1.0), ("tanh", -0.0, -0.0), ("tanh", 5e-324, 5e-324),
    ("erf", math.inf, 1.0), ("erf", -7.0, -1.0), ("erf", -0.0, -0.0), ("sigmoid", 0.0, 0.5),
    ("sigmoid", -math.inf, 0.0), ("sigmoid", math.inf, 1.0), ("sin", -0.0, -0.0), ("sin", math.inf, math.nan),
    ("cos", 0.0, 1.0), ("cos", -math.inf, math.nan), ("rsqrt", 0.0, math.inf), ("rsqrt", -0.0, -math.inf),
    ("rsqrt", math.inf, 0.0), ("rsqrt", -1.0, math.nan), ("reciprocal", -0.0, -math.inf), ("rsqrt", 5e-324, 2.0**537),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "wanted"), SPECIAL_VALUES)
def test_special_values(name: str, x: float, wanted: float) -> None:
    assert same_float(float(tower.evaluate(ops.TABLE[name], F64, (x,))), wanted)


def test_nan_stays_nan() -> None:
    for op in UNARY:
        assert math.isnan(tower.evaluate(op, F64, (math.nan,)))


@pytest.mark.parametrize("x", [2.0**k * m for k in (19, 20, 60, 300, 1023) for m in (1.0, 1.5, 1.9999999999999998)])
def test_large_angles(x: float) -> None:
    gmpy2.get_context().precision = 1200
    for op, exact in ((ops.SIN, gmpy2.sin), (ops.COS, gmpy2.cos)):
        wanted = exact(gmpy2.mpfr(x))
        got = tower.evaluate(op, F64, (x,))
        assert abs(gmpy2.mpfr(got) - wanted) <= math.ulp(float(wanted))


@gm.kernel
def softened(x: f64, n: f64) -> f64:
    return gm.exp(-(x**2)) + x**n + gm.pow(n, 0.5)


def test_in_a_kernel() -> None:
    found: Any = softened(1.5, 2.5)
    assert abs(found - (math.exp(-2.25) + 1.5**2.5 + 2.5**0.5)) < 1e-12
    assert softened.interpret(1.5, 2.5) == found
    assert gm.exp(1.0) == np.exp(1.0)  # outside of a kernel they are NumPy's
