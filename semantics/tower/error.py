"""erf in f64: an odd polynomial near 0, then a polynomial around the middle of each eighth up to 6."""

from __future__ import annotations

from gemel.semantics.dtypes import F64
from gemel.semantics.tower.coefficients import ERF, ERF_FIRST, ERF_SLOPES, ERF_VALUES
from gemel.semantics.tower.formula import I64, Formula, X

SMALL, PIECES, TERMS = 0.5, 44, 12


def erf(f: Formula, x: X) -> X:
    """The error function."""
    z = x * x
    small = f.fma(x, ERF_FIRST[0], x * f.fma(z, f.polynomial(z, ERF), ERF_FIRST[1]))
    size = x.abs()
    piece = f.where((size >= SMALL) & (size < 6.0), size, SMALL) * 8.0
    at = (piece.to(I64) - 4).to(I64)
    values, slopes = f.table("erf_values", ERF_VALUES, F64), f.table("erf_slopes", ERF_SLOPES, F64)
    t = (piece - ((at + 4).to(I64).to(F64) + 0.5)) * 0.125
    slope = f.of(0.0, F64)
    for n in reversed(range(TERMS)):
        slope = f.fma(slope, t, slopes((at * TERMS + n).to(I64)))
    large = values((at * 2).to(I64)) + f.fma(slope, t, values((at * 2 + 1).to(I64)))
    large = f.where(size >= 6.0, 1.0, large)
    signed = f.where(x < 0.0, -large, large)
    return f.where(size < SMALL, small, f.where(x.is_nan(), x, signed))
