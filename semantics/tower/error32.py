"""erf in f32: an odd polynomial near 0, else 1 - e**q with a polynomial q for the logarithm of what is missing to 1."""

from __future__ import annotations

from gemel.semantics.dtypes import F32
from gemel.semantics.tower.coefficients import ERF_32, ERFC_LOG_32
from gemel.semantics.tower.exponential32 import BIAS, reduced
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import at_most, number_from, power_of_two, signed_as

SMALL = 1.0


def erf(f: Formula, x: X) -> X:
    """The error function."""
    size = x.abs()
    small = f.fma(x, f.polynomial(x * x, ERF_32), x)
    q = f.polynomial(at_most(f, size, 4.0), ERFC_LOG_32)
    tail, bits = reduced(f, q, number_from(f, q, -20.0), BIAS)
    scale = power_of_two(f, bits, F32)
    large = f.fma(-tail, scale, 1.0 - scale)  # the difference is exact
    return f.where(size < SMALL, small, signed_as(f, x, large))
