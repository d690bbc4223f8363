"""Powers of two, whole parts and clamps in few instructions, for f32 and f64 alike.

Integers are unsigned and as wide as the format and wrap, so that a lane of a vector stays as wide as it was. A number
that a pattern is taken of is first kept from being NaN, by a comparison that fails for it: that costs one instruction
and spares the two that bring all NaNs to one pattern.
"""

from __future__ import annotations

from gemel.semantics import ops
from gemel.semantics.dtypes import FloatType, IntType
from gemel.semantics.ir import Ref
from gemel.semantics.tower.formula import Formula, X


def format_of(x: X) -> FloatType:
    """The float format of a value."""
    if not isinstance(x.dtype, FloatType):
        raise TypeError(f"no float: {x.dtype}")
    return x.dtype


def pattern(x: X) -> X:
    """The bits of a float as an unsigned integer."""
    return x.as_bits(IntType(format_of(x).width, False))


def at_most(f: Formula, x: X, bound: float) -> X:
    """The smaller one; NaN stays."""
    return f.where(x > bound, bound, x)


def at_least(f: Formula, x: X, bound: float) -> X:
    """The greater one; NaN stays."""
    return f.where(x < bound, bound, x)


def number_from(f: Formula, x: X, bound: float) -> X:
    """The greater one; the bound in place of NaN."""
    return f.where(x > bound, x, bound)


def nearest(f: Formula, x: X, factor: float, offset: int) -> tuple[X, X]:
    """A whole number next to x * factor, and a pattern whose last bits are that number plus `offset`.

    `x` is no NaN, and the product less than 2**21 in size. Adding 3 * 2**(mantissa - 1) rounds to a whole number.
    """
    anchor = 1.5 * 2.0 ** format_of(x).mantissa + offset
    turned = f.fma(x, factor, anchor) if factor != 1.0 else x + anchor
    if isinstance(turned.expr, Ref):
        f.numbers.add(turned.expr.var)
    return turned - anchor, pattern(turned)


def power_of_two(f: Formula, biased: X, dtype: FloatType) -> X:
    """2**(n - bias), of an integer whose last bits are n: from 1 to 2 * bias + 1, where it is infinity."""
    return f.apply(ops.SHL, biased, f.of(dtype.mantissa, biased.dtype), dtype=biased.dtype).as_bits(dtype)


def scaled(f: Formula, x: X, k: X, twice: X) -> X:
    """x * 2**k in two steps, so that it may be subnormal, zero or infinite; `twice` ends in k + 2 * bias.

    The size of `x` is from 1/4 to 4 (or it is NaN): then the first step is exact.
    """
    dtype = format_of(x)
    half = twice >> 1
    rest = f.apply(ops.SUB, twice, half, dtype=twice.dtype)
    made = x * power_of_two(f, half, dtype) * power_of_two(f, rest, dtype)
    if isinstance(made.expr, Ref):
        f.scaled[made.expr.var] = x.expr, k.expr
    return made


def signed_as(f: Formula, x: X, size: X) -> X:
    """A size with the sign of x, of which 0 counts as positive."""
    return f.where(x < 0.0, -size, size)
