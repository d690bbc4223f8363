"""Polynomials with the least greatest error and coefficients of a given precision, in high precision arithmetic.

The minimax polynomial is found by Lawson's iteration: least squares on Chebyshev nodes, weights multiplied by the error
that is left there. Then the coefficients are rounded one after the other, lowest power first, and after each the others
are fitted again, so that they make up for what the rounding did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath as mp

Function = Callable[[mp.mpf], mp.mpf]
Row = list[mp.mpf]
NODES, ROUNDS = 64, 10


def rounded(x: mp.mpf, bits: int) -> mp.mpf:
    """A number with so many bits, nearest-even."""
    mantissa, exponent = mp.frexp(x)
    return mp.nint(mp.ldexp(mantissa, bits)) * mp.mpf(2) ** (exponent - bits)


def _least_squares(rows: Sequence[Row], values: Row, weights: Row) -> Row:
    n = len(rows[0])
    a, b = mp.matrix(n, n), mp.matrix(n, 1)
    for i in range(n):
        weighted = [w * r[i] for r, w in zip(rows, weights, strict=True)]
        b[i] = mp.fdot(weighted, values)
        for j in range(i, n):
            a[i, j] = a[j, i] = mp.fdot(weighted, [r[j] for r in rows])
    found = mp.lu_solve(a, b)
    return [found[i] for i in range(n)]


def _errors(rows: Sequence[Row], values: Row, coefficients: Row) -> Row:
    return [v - mp.fdot(coefficients, r[: len(coefficients)]) for r, v in zip(rows, values, strict=True)]


def _minimax(rows: Sequence[Row], values: Row) -> Row:
    weights, best = [mp.mpf(1)] * len(rows), (mp.inf, list[mp.mpf]())
    for _ in range(ROUNDS):
        found = _least_squares(rows, values, weights)
        errors = [abs(e) for e in _errors(rows, values, found)]
        most = max(errors)
        best = min(best, (most, found), key=lambda pair: pair[0])
        weights = [w * (e / most + mp.mpf(10) ** -3) for w, e in zip(weights, errors, strict=True)]
        weights = [w / sum(weights) for w in weights]
    return best[1]


def fitted(
    f: Function, lo: float, hi: float, terms: int, weight: Function = lambda x: mp.mpf(1), bits: int = 24
) -> tuple[Row, mp.mpf]:
    """Coefficients, lowest power first, for the least greatest weight * error on lo..hi, and that error."""
    low, high = mp.mpf(lo), mp.mpf(hi)
    nodes = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (n + mp.mpf(1) / 2) / NODES) for n in range(NODES)]
    rows = [[weight(x) * x**n for n in range(terms)] for x in nodes]
    values = [weight(x) * f(x) for x in nodes]
    done: Row = []
    while len(done) < terms:
        rest = _errors(rows, values, done)
        done.append(rounded(_minimax([r[len(done) :] for r in rows], rest)[0], bits))
    return done, max(abs(e) for e in _errors(rows, values, done))
