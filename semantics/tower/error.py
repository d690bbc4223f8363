"""erf: an odd polynomial near 0, else 1 - e**q with a polynomial q for the logarithm of what is missing to 1."""

from __future__ import annotations

from gemel.semantics.tower.coefficients import ERF, ERFC_LOG
from gemel.semantics.tower.exponential import reduced
from gemel.semantics.tower.formula import Formula, X
from gemel.semantics.tower.reduction import at_most, format_of, number_from, power_of_two, signed_as

SMALL = 1.0
ONE = {32: 4.0, 64: 6.0}
"""From where on erf is 1, by the width of the format."""
LEAST = -50.0
"""Less than the polynomial's value anywhere."""


def erf(f: Formula, x: X) -> X:
    """The error function."""
    dtype = format_of(x)
    size = x.abs()
    small = f.fma(x, f.polynomial(x * x, ERF[dtype.width]), x)
    q = f.polynomial(at_most(f, size, ONE[dtype.width]), ERFC_LOG[dtype.width])
    tail, _, bits = reduced(f, q, number_from(f, q, LEAST), dtype.bias)
    scale = power_of_two(f, bits, dtype)
    large = f.fma(-tail, scale, 1.0 - scale)  # the difference is exact where it matters
    return f.where(size < SMALL, small, signed_as(f, x, large))
