"""sin and cos: the argument less a multiple of pi/2 as a value and a correction, then one of two polynomials.

The multiple is subtracted in three parts (Cody and Waite). Beyond 2**17 or 2**19, which is rare, f32 goes through f64,
and there the argument is multiplied by the bits of 2/pi that matter (Payne and Hanek, 1983), in integers of 256 bits.
"""

from __future__ import annotations

import math

from gemel.semantics import ops
from gemel.semantics.dtypes import F32, F64, FloatType, IntType
from gemel.semantics.ir import Ref
from gemel.semantics.span import BUILTIN
from gemel.semantics.tower.coefficients import COS, HALF_PI, PER_HALF_PI, PER_HALF_PI_WORDS, SIN
from gemel.semantics.tower.formula import I64, U64, Definition, Formula, X, defined
from gemel.semantics.tower.reduction import format_of, nearest

FAR = {32: 2.0**17, 64: 2.0**19}
U192, I192, U256 = IntType(192, False), IntType(192, True), IntType(256, False)
MANTISSA = 52


def near(f: Formula, x: X, offset: int) -> tuple[X, X, X]:
    """x less a multiple of pi/2, its correction, and a pattern that ends in the multiple plus the offset.

    The first fma is exact. The second part's product may be greater than what it is taken from, but then that one is so
    short that what rounding loses is still found.
    """
    width = format_of(x).width
    half_pi = HALF_PI[width]
    k, bits = nearest(f, f.where(x.abs() < FAR[width], x, 0.0), PER_HALF_PI[width], offset)
    first = f.fma(k, -half_pi[0], x)
    part, part_low = f.product(k, half_pi[1])
    high = first - part
    low = ((first - high) - part) - part_low
    return high, f.fma(k, -half_pi[2], low), bits


def far(f: Formula, x: X) -> tuple[X, X, X]:
    """As `near`, of a number of any size from 2**19."""
    bits = x.abs().as_bits(I64)
    mantissa = ((bits & ((1 << MANTISSA) - 1)) | (1 << MANTISSA)).to(U64)
    exponent = (bits >> MANTISSA).to(IntType(16, True))
    skipped = exponent - (1023 + 54)
    skipped = f.where(skipped < 0, 0, skipped)  # that many bits of 2/pi give multiples of 4
    up = 54 + 1023 - exponent
    up = f.where(up < 0, 0, up)
    word = f.table("per_half_pi", PER_HALF_PI_WORDS, U64)
    at = skipped >> 6
    window = f.of(0, U256)
    for n in range(4):
        window = ((window << 64) | word(at + n)).to(U256)
    window = (window >> (64 - (skipped & 63))).to(U192)
    turns = ((mantissa * window) >> up.to(IntType(8, False))).to(U192)  # in units of 2**-190 quarters, modulo 4
    rounded = (turns + (1 << 189)).to(U192)
    quarter = (rounded >> 190).to(IntType(16, True))
    rest = (turns - ((rounded >> 190) << 190).to(U192)).to(U192).as_bits(I192)
    a = rest.to(F64)
    b = (rest - a.to(I192)).to(I192).to(F64)
    a, b = a * 2.0**-190, b * 2.0**-190
    high, low = f.product(a, HALF_PI[64][0])
    low = low + a * HALF_PI[64][1] + b * HALF_PI[64][0]
    negative = x < 0.0
    high, low = f.quick_sum(high, low)
    sign = f.where(negative, -1.0, f.of(1.0, F64))
    return high * sign, low * sign, f.where(negative, 0 - quarter, quarter) & 3


def kernel(f: Formula, r: tuple[X, X, X], x: X, keeps_zero: bool) -> X:
    """The sine of the reduced argument; of x = 0, x itself where that is asked for."""
    high, low, quadrant = r
    width = format_of(x).width
    z = high * high
    sine = high + f.fma(high * z, f.polynomial(z, SIN[width]), low)
    one, lost = f.quick_sum(1.0, -0.5 * z)
    cosine = one + f.fma(z * z, f.polynomial(z, COS[width]), f.fma(-high, low, lost))
    value = f.where((quadrant & 1).differs(0), cosine, sine)
    value = f.where((quadrant & 2).differs(0), -value, value)
    return f.where(x.equals(0.0), x, value) if keeps_zero else value


def _far64(f: Formula, x: X, first: int) -> X:
    high, low, quadrant = far(f, x)
    value = kernel(f, (high, low, quadrant + first), x, False)
    return f.where(x.abs() < math.inf, value, math.nan)


def _far32(f: Formula, x: X, first: int) -> X:
    return f.apply(ops.COS if first else ops.SIN, x.to(F64)).to(F32)


def sine(name: str, first: int, dtype: FloatType = F64) -> Definition:
    """sin, or cos as the sine one quadrant on."""
    body = _far32 if dtype == F32 else _far64
    rare = defined(f"{name}.far", lambda f, x: body(f, x, first), 1, dtype)
    f = Formula()
    usual = defined(name, lambda inner, x: kernel(inner, near(inner, x, first), x, not first), 1, dtype)
    x = X(Ref(usual.params[0], BUILTIN), f)
    is_far = x.abs() >= FAR[dtype.width]
    return Definition(name, usual.params, (*usual.lets, *f.lets), usual.result, is_far.expr, rare)
