"""sin and cos in f64: the argument less a multiple of pi/2 with a correction, then a polynomial for each half quadrant.

Up to 2**19 the multiple is subtracted in four parts (Cody and Waite); beyond, the argument is multiplied by the bits of
2/pi that matter (Payne and Hanek, 1983), in integers of 256 bits.
"""

from __future__ import annotations

import math

from gemel.semantics.dtypes import F64, IntType
from gemel.semantics.ir import Ref
from gemel.semantics.span import BUILTIN
from gemel.semantics.tower.coefficients import COS, HALF_PI, HALF_PI_FULL, PER_HALF_PI, PER_HALF_PI_WORDS, SIN
from gemel.semantics.tower.formula import I64, U64, Definition, Formula, X, defined

FAR = 2.0**19
U192, I192, U256 = IntType(192, False), IntType(192, True), IntType(256, False)
MANTISSA = 52


def near(f: Formula, x: X) -> tuple[X, X, X]:
    """x less a multiple of pi/2, its correction, and the multiple's last two bits."""
    k = (x * PER_HALF_PI).rint()
    high, low = f.fma(k, -HALF_PI[0], x), f.of(0.0, F64)
    for part in HALF_PI[1:3]:
        high, lost = f.sum(high, k * -part)  # the product is exact
        low = low + lost
    high, lost = f.quick_sum(high, low + k * -HALF_PI[3])
    return high, lost, k.to(I64) & 3


def far(f: Formula, x: X) -> tuple[X, X, X]:
    """As `near`, of a number of any size from 2**19."""
    bits = x.abs().as_bits(I64)
    mantissa = ((bits & ((1 << MANTISSA) - 1)) | (1 << MANTISSA)).to(U64)
    skipped = ((bits >> MANTISSA).to(I64) - (1023 + 54)).to(I64)
    skipped = f.where(skipped < 0, 0, skipped)  # that many bits of 2/pi give multiples of 4
    up = (54 + 1023 - (bits >> MANTISSA)).to(I64)
    up = f.where(up < 0, 0, up)
    word = f.table("per_half_pi", PER_HALF_PI_WORDS, U64)
    at = (skipped >> 6).to(I64)
    window = f.of(0, U256)
    for n in range(4):
        window = ((window << 64) | word((at + n).to(I64))).to(U256)
    window = (window >> (64 - (skipped & 63))).to(U192)
    turns = ((mantissa * window) >> up.to(IntType(8, False))).to(U192)  # in units of 2**-190 quarters, modulo 4
    rounded = (turns + (1 << 189)).to(U192)
    quarter = (rounded >> 190).to(I64)
    rest = (turns - ((rounded >> 190) << 190).to(U192)).to(U192).as_bits(I192)
    a = rest.to(F64)
    b = (rest - a.to(I192)).to(I192).to(F64)
    a, b = a * 2.0**-190, b * 2.0**-190
    high, low = f.product(a, HALF_PI_FULL[0])
    low = low + a * HALF_PI_FULL[1] + b * HALF_PI_FULL[0]
    negative = x < 0.0
    high, low = f.quick_sum(high, low)
    sign = f.where(negative, -1.0, f.of(1.0, F64))
    return high * sign, low * sign, f.where(negative, (0 - quarter).to(I64), quarter) & 3


def kernel(f: Formula, r: tuple[X, X, X], first: int) -> X:
    """The sine of the reduced argument, `first` quadrants on."""
    high, low, quadrant = r
    z = high * high
    sine = high + (f.fma(high * z, f.polynomial(z, SIN), low - 0.5 * z * low))
    half = 0.5 * z
    one, lost = f.quick_sum(1.0, -half)
    cosine = one + (lost + f.fma(z * z, f.polynomial(z, COS), -high * low))
    turned = (quadrant + first).to(I64)
    value = f.where((turned & 1).equals(1), cosine, sine)
    return f.where((turned & 2).equals(2), -value, value)


def _whole(f: Formula, x: X, value: X, first: int) -> X:
    value = f.where(x.abs().equals(math.inf) | x.is_nan(), math.nan, value)
    return value if first else f.where(x.equals(0.0), x, value)


def sine(name: str, first: int) -> Definition:
    """sin, or cos as the sine one quadrant on."""
    rare = defined(f"{name}.far", lambda f, x: _whole(f, x, kernel(f, far(f, x), first), first), 1)
    f = Formula()
    usual = defined(name, lambda inner, x: _whole(inner, x, kernel(inner, near(inner, x), first), first), 1)
    x = X(Ref(usual.params[0], BUILTIN), f)
    is_far = x.abs() >= FAR
    return Definition(name, usual.params, (*usual.lets, *f.lets), usual.result, is_far.expr, rare)
