"""Fixed point: every rounding and overflow mode against apytypes, and against fractions; every engine."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import apytypes
import numpy as np
import pytest

import gemel as gm
from gemel.semantics.dtypes import FixedType, Overflow, Rounding

N = gm.dims("N")
QUANTIZATION = {
    Rounding.FLOOR: apytypes.QuantizationMode.TO_NEG,
    Rounding.CEIL: apytypes.QuantizationMode.TO_POS,
    Rounding.ZERO: apytypes.QuantizationMode.TO_ZERO,
    Rounding.AWAY: apytypes.QuantizationMode.TO_AWAY,
    Rounding.HALF_UP: apytypes.QuantizationMode.TIES_POS,
    Rounding.HALF_EVEN: apytypes.QuantizationMode.TIES_EVEN,
    Rounding.HALF_AWAY: apytypes.QuantizationMode.TIES_AWAY,
}
OVERFLOW = {Overflow.WRAP: apytypes.OverflowMode.WRAP, Overflow.SATURATE: apytypes.OverflowMode.SAT}
MODES = tuple(product(Rounding, Overflow))
SHAPES = ((6, 2), (8, 7), (5, -1), (12, 9))
"""Width and fraction bits of targets: fewer of both, no integer bits, a negative fraction, more fraction bits."""


def targets(signed: bool, shape: tuple[int, int]) -> list[FixedType]:
    return [FixedType(*shape, signed, *mode) for mode in MODES]


def raws(dtype: FixedType) -> Any:
    """All values of a type of at most 16 bits."""
    return np.arange(dtype.raw.lo, dtype.raw.hi + 1, dtype=f"{'i' if dtype.signed else 'u'}2")


def to_each(source: FixedType, kinds: list[FixedType]) -> gm.Kernel:
    @gm.kernel
    def convert(x: source[N]):
        return [gm.cast(x, kind) for kind in kinds]

    return convert


def by_apytypes(raw: Any, source: FixedType, target: FixedType) -> list[int]:
    """Which has signed numbers only."""
    x = apytypes.APyFixedArray(raw.tolist(), int_bits=source.width - source.frac, frac_bits=source.frac)
    y = x.cast(
        int_bits=target.width - target.frac,
        frac_bits=target.frac,
        quantization=QUANTIZATION[target.rounding],
        overflow=OVERFLOW[target.overflow],
    )
    return [signed_value(bits, target) for bits in y.to_bits()]


def signed_value(bits: int, dtype: FixedType) -> int:
    bits &= (1 << dtype.width) - 1
    return bits - (1 << dtype.width) if dtype.signed and bits >> (dtype.width - 1) else bits


ROUND = {
    Rounding.FLOOR: math.floor,
    Rounding.CEIL: math.ceil,
    Rounding.ZERO: math.trunc,
    Rounding.AWAY: lambda x: math.ceil(x) if x > 0 else math.floor(x),
    Rounding.HALF_UP: lambda x: math.floor(x + Fraction(1, 2)),
    Rounding.HALF_EVEN: round,
    Rounding.HALF_AWAY: lambda x: math.copysign(1, x) * math.floor(abs(x) + Fraction(1, 2)),
}


def by_fractions(x: Fraction, target: FixedType) -> int:
    raw = int(ROUND[target.rounding](x * Fraction(2) ** target.frac))
    if target.overflow is Overflow.SATURATE:
        return min(max(raw, target.raw.lo), target.raw.hi)
    return signed_value(raw, target)


def value(raw: int, dtype: FixedType) -> Fraction:
    return raw / Fraction(2) ** dtype.frac


@pytest.mark.parametrize(
    ("shape", "signed"),
    [
        pytest.param(
            shape,
            signed,
            id=f"{'signed' if signed else 'unsigned'}-{shape}",
            marks=[pytest.mark.slow] * ((shape, signed) not in (((6, 2), True), ((5, -1), False))),
        )
        for signed in (True, False)
        for shape in SHAPES
    ],
)
def test_every_mode_on_every_value(signed: bool, shape: tuple[int, int]) -> None:
    source, kinds = FixedType(10, 6, signed), targets(signed, shape)
    kernel, x = to_each(source, kinds), raws(source)
    for run in (kernel, kernel.interpret):
        for kind, got in zip(kinds, run(x), strict=True):
            assert not signed or got.tolist() == by_apytypes(x, source, kind), kind
            assert got.tolist() == [by_fractions(value(r, source), kind) for r in x.tolist()], kind


@pytest.mark.parametrize("signed", [True, False], ids=["to signed", "to unsigned"])
def test_between_signed_and_unsigned(signed: bool) -> None:
    source, kinds = FixedType(10, 6, not signed), targets(signed, (7, 3))
    kernel, x = to_each(source, kinds), raws(source)
    for run in (kernel, kernel.interpret):
        for kind, got in zip(kinds, run(x), strict=True):
            assert got.tolist() == [by_fractions(value(r, source), kind) for r in x.tolist()], kind


@pytest.mark.slow
@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_every_mode_in_hardware(signed: bool) -> None:
    source, kinds = FixedType(10, 6, signed), targets(signed, (6, 2))
    kernel, x = to_each(source, kinds), raws(source)
    got = kernel.synth(N=len(x)).simulate(x).outputs
    assert [g.tolist() for g in got] == [g.tolist() for g in kernel(x)]


@pytest.mark.parametrize("mode", MODES, ids=lambda m: f"{m[0].value}-{m[1].value}")
def test_products_and_sums_are_exact_until_they_are_stored(mode: Any) -> None:
    a_type, b_type = FixedType(8, 5, True), FixedType(7, 3, False)
    kind = FixedType(9, 4, True, *mode)

    @gm.kernel
    def f(a: a_type[N], b: b_type[N]) -> kind[N]:
        out = gm.empty((N,), kind)
        for i in range(N):
            out[i] = a[i] * b[i] - a[i]
        return out

    a = np.repeat(np.arange(-128, 128, 5, dtype=np.int8), 128)
    b = np.tile(np.arange(128, dtype=np.uint8), len(a) // 128)
    want = [
        by_fractions(value(x, a_type) * value(y, b_type) - value(x, a_type), kind)
        for x, y in zip(a.tolist(), b.tolist(), strict=True)
    ]
    assert f(a, b).tolist() == f.interpret(a, b).tolist() == want


@pytest.mark.parametrize("rounding", Rounding, ids=lambda m: m.value)
def test_from_and_to_floats(rounding: Rounding) -> None:
    """From a float it saturates in either mode, and NaN gives 0."""
    kind = FixedType(8, 3, True, rounding, Overflow.WRAP)

    @gm.kernel
    def f(x: gm.f64[N]) -> tuple[kind[N], gm.f64[N]]:
        fixed = gm.cast(x, kind)
        return fixed, gm.cast(fixed, gm.f64)

    x = np.array([*(np.arange(-400, 400) / 32), 1e300, -1e300, np.inf, -np.inf])
    saturating = FixedType(8, 3, True, rounding, Overflow.SATURATE)
    want = [by_fractions(Fraction(min(max(v, -1e6), 1e6)), saturating) for v in x.tolist()]
    for run in (f, f.interpret):
        got, back = run(x)
        assert got.tolist() == want and back.tolist() == [w / 8 for w in want]
        assert run(np.array([np.nan]))[0].tolist() == [0]


def test_more_than_64_bits() -> None:
    wide, narrow = gm.Fixed(150, 100), gm.Fixed(90, 30, "half_even", "saturate")

    @gm.kernel
    def f(x: wide[N]) -> tuple[narrow[N], gm.Fixed(151, 100)[N]]:
        return gm.cast(x, narrow), x + x

    raw = [1 << 69, 3 << 69, (1 << 149) - 1, -(1 << 149), -1, 0]
    want = [by_fractions(value(r, wide), narrow) for r in raw]
    for run in (f, f.interpret):
        got, double = run(np.array(raw, object))
        assert got.tolist() == want and double.tolist() == [2 * r for r in raw]
