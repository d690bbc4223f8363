"""Reciprocals."""

from __future__ import annotations

import math

from gemel.semantics.tower.formula import Formula, X


def reciprocal(f: Formula, x: X) -> X:
    """1 / x."""
    return 1.0 / x


def rsqrt(f: Formula, x: X) -> X:
    """1 / sqrt(x), with one step of Newton's method for what two roundings lost."""
    y = 1.0 / x.sqrt()
    h, lost = f.product(x, y)
    error = f.fma(-h, y, 1.0) - lost * y
    better = f.fma(0.5 * error, y, y)
    return f.where(x.equals(0.0) | x.equals(math.inf), y, better)
