"""sin and cos in f32: the argument less a multiple of pi/2 as a value and a correction, then two polynomials.

From 2**17 on, which is rare, they go through f64, which has the reduction of arguments of any size.
"""

from __future__ import annotations

from gemel.semantics import ops
from gemel.semantics.dtypes import F32, F64
from gemel.semantics.ir import Ref
from gemel.semantics.span import BUILTIN
from gemel.semantics.tower.coefficients import COS_32, HALF_PI_32, PER_HALF_PI_32, SIN_32
from gemel.semantics.tower.formula import Definition, Formula, X, defined
from gemel.semantics.tower.reduction import nearest

FAR = 2.0**17


def near(f: Formula, x: X, offset: int) -> tuple[X, X, X]:
    """x less a multiple of pi/2, its correction, and a pattern that ends in the multiple plus the offset.

    The first fma is exact; the second part's product may be the greater operand of the difference after it, but then
    the other one is so short that what rounding lost is still found.
    """
    k, bits = nearest(f.where(x.abs() < FAR, x, 0.0), PER_HALF_PI_32, offset)
    first = f.fma(k, -HALF_PI_32[0], x)
    part, part_low = f.product(k, HALF_PI_32[1])
    high = first - part
    low = ((first - high) - part) - part_low
    return high, f.fma(k, -HALF_PI_32[2], low), bits


def usual(f: Formula, x: X, first: int) -> X:
    """The sine `first` quadrants on."""
    high, low, quadrant = near(f, x, first)
    z = high * high
    sine = high + f.fma(high * z, f.polynomial(z, SIN_32), low)
    half = 0.5 * z
    one, lost = f.quick_sum(1.0, -half)
    cosine = one + f.fma(z * z, f.polynomial(z, COS_32), f.fma(-high, low, lost))
    value = f.where((quadrant & 1).differs(0), cosine, sine)
    value = f.where((quadrant & 2).differs(0), -value, value)
    return value if first else f.where(x.equals(0.0), x, value)


def sine(name: str, first: int) -> Definition:
    """sin, or cos as the sine one quadrant on."""
    wide = ops.TABLE[name]
    rare = defined(f"{name}.far", lambda f, x: f.apply(wide, x.to(F64)).to(F32), 1, F32)
    f = Formula()
    made = defined(name, lambda inner, x: usual(inner, x, first), 1, F32)
    x = X(Ref(made.params[0], BUILTIN), f)
    is_far = x.abs() >= FAR
    return Definition(name, made.params, (*made.lets, *f.lets), made.result, is_far.expr, rare)
