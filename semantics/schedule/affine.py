"""Whether linear inequalities have a solution in integers: "no" is certain, "maybe" is all else.

Variables are eliminated one after the other (Fourier and Motzkin); each inequality is divided by what its coefficients
have in common, and its constant rounded towards what integers can reach.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

MOST = 300
"""Inequalities beyond which the answer is "maybe"."""

Name = Hashable


@dataclass(frozen=True)
class Inequality:
    """The sum of the terms plus the constant is at least 0."""

    terms: Mapping[Name, int]
    constant: int

    def tight(self) -> Inequality:
        """The same for integers, with coefficients that have nothing in common."""
        common = math.gcd(*self.terms.values()) if self.terms else 1
        if common <= 1:
            return self
        return Inequality({v: c // common for v, c in self.terms.items()}, self.constant // common)

    def without(self, v: Name, upper: Inequality) -> Inequality:
        """What follows from this lower bound of `v` and an upper one about the others."""
        a, b = self.terms[v], -upper.terms[v]
        terms = {x: b * c for x, c in self.terms.items()}
        for x, c in upper.terms.items():
            terms[x] = terms.get(x, 0) + a * c
        return Inequality({x: c for x, c in terms.items() if c}, b * self.constant + a * upper.constant).tight()


def possible(system: Iterable[Inequality]) -> bool:
    """Whether all may hold at once; False is certain."""
    rows = _distinct(r.tight() for r in system)
    while True:
        if any(not r.terms and r.constant < 0 for r in rows):
            return False
        rows = [r for r in rows if r.terms]
        v = _cheapest(rows)
        if v is None or len(rows) > MOST:
            return True
        lower = [r for r in rows if r.terms.get(v, 0) > 0]
        upper = [r for r in rows if r.terms.get(v, 0) < 0]
        rest = [r for r in rows if v not in r.terms]
        rows = _distinct([*rest, *(a.without(v, b) for a in lower for b in upper)])


def _cheapest(rows: list[Inequality]) -> Name | None:
    """The variable whose elimination makes the fewest inequalities."""
    counts: dict[Name, list[int]] = {}
    for r in rows:
        for v, c in r.terms.items():
            counts.setdefault(v, [0, 0])[c > 0] += 1
    return min(counts, key=lambda v: counts[v][0] * counts[v][1], default=None)


def _distinct(rows: Iterable[Inequality]) -> list[Inequality]:
    """Of inequalities with the same terms the strictest."""
    best: dict[frozenset[tuple[Name, int]], Inequality] = {}
    for r in rows:
        key = frozenset(r.terms.items())
        if key not in best or r.constant < best[key].constant:
            best[key] = r
    return list(best.values())
