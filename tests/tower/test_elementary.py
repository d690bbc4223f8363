"""Elementary functions: at most one unit in the last place, and the same bits in the interpreter and on the CPU."""

from __future__ import annotations

import math
import random
from typing import Any

import elementary as bench
import exhaustive
import gmpy2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gemel as gm
from gemel import f32, f64
from gemel.semantics import ops, tower
from gemel.semantics.convert import from_bits, same_float
from gemel.semantics.dtypes import F8E4M3, F8E5M2, F32, F64, FLOATS, FloatType, storage_bits
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
    assert worst < 1.0, at


@pytest.mark.parametrize("function", [*bench.UNARY, "pow"])
def test_f64_against_mpfr(function: str) -> None:
    worst, at, _ = bench.wide(function, 3000)
    assert worst < 0.9, at


def test_f32_pow_against_mpfr() -> None:
    worst, at, _ = bench.pow32(3000)
    assert worst <= 0.51, at


@pytest.mark.parametrize("function", bench.UNARY)
def test_the_exhaustive_measure_agrees_with_the_sampled_one(function: str) -> None:
    worst, at, count = exhaustive.worst(function, 997 * 64)
    sampled, _, _ = bench.narrow(function, "f32", 997 * 64)
    assert count >= 1 << 16
    assert 0.4 < worst < 1.0, at
    assert abs(worst - sampled) < 0.05


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


SINGLES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    math.inf,
    -math.inf,
    math.nan,
    2.0**-149,
    -(2.0**-149),
    3e38,
    -3e38,
    0.5,
    -2.0,
    3.0,
    1.5,
]


@pytest.mark.parametrize("y", [*SINGLES, 2.0**24 - 1, 2.0**24, -3.0, -149.0, 127.0, -2.5])
@pytest.mark.parametrize("x", [*SINGLES, 2.0, 0.999, 1.001])
def test_pow_of_special_values_in_f32(x: float, y: float) -> None:
    x, y = float(np.float32(x)), float(np.float32(y))
    with np.errstate(over="ignore"):
        wanted = float(np.float32(c_pow(x, y)))
    (got,) = bench.powers32(np.array([x], np.float32), np.array([y], np.float32)).tolist()
    assert same_float(got, float(tower.evaluate(ops.POW, F32, (x, y))))
    assert same_float(got, wanted) or abs(got - wanted) <= np.spacing(np.float32(wanted)), (got, wanted)


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


SPECIAL_SINGLES: list[tuple[str, float, float]] = [
    *((name, x, y) for name, x, y in SPECIAL_VALUES if x in (0.0, math.inf, -math.inf, 1.0, -1.0, 10.0, 1024.0)),
    ("exp", 88.73, math.inf), ("exp", -104.0, 0.0), ("exp", -103.9, 2.0**-149), ("exp2", -149.0, 2.0**-149),
    ("exp2", 127.0, 2.0**127), ("exp2", 128.0, math.inf), ("exp2", -150.5, 0.0), ("log2", 2.0**-149, -149.0),
    ("log2", 2.0**-126, -126.0), ("tanh", 2.0**-149, 2.0**-149), ("erf", 4.5, 1.0), ("sigmoid", -104.0, 0.0),
    ("sigmoid", -103.9, 2.0**-149), ("sin", 2.0**-149, 2.0**-149), ("rsqrt", 2.0**-148, 2.0**74),
    ("reciprocal", 2.0**-149, math.inf), ("tanh", -20.0, -1.0), ("sin", -2.0**-140, -2.0**-140),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "wanted"), SPECIAL_SINGLES)
def test_special_values_of_f32(name: str, x: float, wanted: float) -> None:
    rounded = float(np.float32(x))
    assert same_float(float(tower.evaluate(ops.TABLE[name], F32, (rounded,))), wanted)


@pytest.mark.parametrize("name", ["exp", "exp2", "sigmoid"])
def test_subnormal_results_of_f32(name: str) -> None:
    x = np.linspace(-150 if name == "exp2" else -104, -126 if name == "exp2" else -87, 50_000, dtype=np.float32)
    got, exact = bench.mapped(name, f32)(x).astype(np.float64), bench.mapped(name, f64)(x.astype(np.float64))
    errors = np.abs(got - exact) / 2.0**-149
    worst, at = float(errors.max()), float(x[errors.argmax()])
    assert worst < 1.0, at


@pytest.mark.parametrize("x", [2.0**k * m for k in (16, 17, 18, 60, 127) for m in (1.0, 1.5, 1.9999998807907104)])
def test_large_angles_of_f32(x: float) -> None:
    gmpy2.get_context().precision = 1200
    for op, exact in ((ops.SIN, gmpy2.sin), (ops.COS, gmpy2.cos)):
        wanted = exact(gmpy2.mpfr(x))
        assert abs(gmpy2.mpfr(tower.evaluate(op, F32, (x,))) - wanted) <= np.spacing(np.float32(abs(float(wanted))))


@pytest.mark.parametrize("dtype", FLOATS.values(), ids=str)
def test_no_integer_is_wider_than_the_format(dtype: FloatType) -> None:
    for op in ops.ELEMENTARY:
        most = 64 if dtype == F64 or op is ops.POW else 32
        for let in tower.definition(op, dtype).lets:
            assert storage_bits(let.var.dtype) <= most, (op, let)


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
