"""The cycles of a run as a formula in a kernel's sizes.

Where control is static, the cycles of a loop nest are a polynomial in its trip counts as long as its pipelines keep
their intervals and depths. Which polynomial is found from the hardware of some sizes near the given ones, whose loops
are the same: its degree in each size, its coefficients (exact, by interpolation on a grid), then further sizes, which
have to agree, and the range in which it holds. Where loops run at the same time, there is a polynomial for each way
through them, and the cycles are the largest of these.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb, prod
from typing import TYPE_CHECKING, Protocol

from gemel.semantics.errors import GemelError

if TYPE_CHECKING:
    from gemel.hwsynth.report import LoopReport

Sizes = Mapping[str, int]
Powers = tuple[int, ...]

MOST_DEGREE, MOST_POINTS = 4, 100
"""The degree in one size, and the hardware made for one formula, beyond which there is none."""

STRIDES = (1, 2, 4, 8)
LEAST = (1, 2, 3, 4, 6, 8)
GROWTH = (16, 4)
"""Distances of sizes that are tried; the least sizes that are; the factors to the largest."""

DIGITS = (3, 11, 43, 171, 683)
"""The least sizes of two signed digits, of three, and so on: the address of a row is the sum of so many words."""


class Counts(Protocol):
    """What hardware says of its cycles, as a report does."""

    @property
    def cycles(self) -> int | None:
        """The cycles of a run; None where they depend on data."""

    @property
    def loops(self) -> tuple[LoopReport, ...]:
        """The loops."""

    @property
    def ways(self) -> Callable[[], tuple[int, ...]] | None:
        """The cycles along each way through loops that run at the same time."""


@dataclass(frozen=True)
class Family:
    """The hardware of a kernel at other sizes: those of this design, and the cycles at others."""

    sizes: Sizes
    counts: Callable[[Sizes], Counts]


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in sizes."""

    names: tuple[str, ...]
    terms: Mapping[Powers, Fraction]

    def at(self, sizes: Sizes) -> Fraction:
        """Its value."""
        return sum((c * _product(sizes, self.names, powers) for powers, c in self.terms.items()), Fraction(0))

    def minus(self, other: Polynomial) -> Polynomial:
        """The difference."""
        powers = dict.fromkeys((*self.terms, *other.terms))
        found = {p: self.terms.get(p, Fraction(0)) - other.terms.get(p, Fraction(0)) for p in powers}
        return Polynomial(self.names, {p: c for p, c in found.items() if c})

    def never_negative(self, least: Sizes) -> bool:
        """Whether its coefficients say so for sizes of at least `least`: those in what the sizes are above these."""
        found: dict[Powers, Fraction] = {}
        for powers, c in self.terms.items():
            for above in itertools.product(*(range(p + 1) for p in powers)):
                parts = zip(self.names, powers, above, strict=True)
                part = prod(comb(p, k) * least[name] ** (p - k) for name, p, k in parts)
                found[above] = found.get(above, Fraction(0)) + c * part
        return all(c >= 0 for c in found.values())

    def __str__(self) -> str:
        scale = 1
        for c in self.terms.values():
            scale = max(scale, c.denominator) if scale % c.denominator else scale
        order = sorted(self.terms.items(), key=lambda term: (-sum(term[0]), [-p for p in term[0]]))
        parts = [self._term(powers, c * scale) for powers, c in order if c]
        text = " + ".join(parts).replace("+ -", "- ") or "0"
        return text if scale == 1 else f"({text})/{scale}"

    def _term(self, powers: Powers, c: Fraction) -> str:
        factors = [name if p == 1 else f"{name}**{p}" for name, p in zip(self.names, powers, strict=True) if p]
        if not factors or abs(c) != 1:
            factors.insert(0, str(c))
        elif c == -1:
            factors[0] = f"-{factors[0]}"
        return "*".join(factors)


@dataclass(frozen=True)
class Formula:
    """Cycles in sizes: the largest of some polynomials; `ranges` has the sizes for which that holds."""

    names: tuple[str, ...]
    ways: tuple[Polynomial, ...]
    ranges: Mapping[str, range]

    def __call__(self, **sizes: int) -> int:
        """The cycles at sizes inside the ranges; raises ValueError outside, or where one is missing."""
        for name, inside in self.ranges.items():
            if name not in sizes:
                raise ValueError(f"the formula needs {name}, {self.condition}")
            if sizes[name] not in inside:
                raise ValueError(f"{name} = {sizes[name]} is outside of what the formula holds for: {self.condition}")
        return int(self.at(sizes))

    def at(self, sizes: Sizes) -> Fraction:
        """The largest polynomial's value."""
        return max(way.at(sizes) for way in self.ways)

    @property
    def expression(self) -> str:
        """The cycles as Python writes them: a polynomial, or the largest of some and what they have in common."""
        first, *others = self.ways
        if not others:
            return str(first)
        common = {p: c for p, c in first.terms.items() if all(o.terms.get(p) == c for o in others)}
        constant = (0,) * len(self.names)
        common[constant] = min(way.terms.get(constant, Fraction(0)) for way in self.ways)
        shared = Polynomial(self.names, {p: c for p, c in common.items() if c})
        largest = f"max({', '.join(str(way.minus(shared)) for way in self.ways)})"
        return f"{largest} + {shared}".replace("+ -", "- ") if shared.terms else largest

    @property
    def condition(self) -> str:
        """For which sizes it holds."""
        return ", ".join(f"{name} from {r[0]} to {r[-1]}{_in_steps(r)}" for name, r in self.ranges.items())

    def __str__(self) -> str:
        return f"{self.expression} for {self.condition}"


def _in_steps(r: range) -> str:
    return f" in steps of {r.step}" if r.step > 1 else ""


def _product(sizes: Sizes, names: Sequence[str], powers: Powers) -> int:
    found = 1
    for name, p in zip(names, powers, strict=True):
        found *= sizes[name] ** p
    return found


def formula(family: Family) -> Formula | None:
    """The formula of a design's cycles; None where they depend on data, or follow no polynomial near its sizes."""
    try:
        return _Search(family).formula()
    except _NoFormulaError:
        return None


class _NoFormulaError(Exception):
    """The sizes that are looked at have no cycles in common."""


Ways = tuple[int, ...]
Shape = Hashable
"""What loops have in common at the sizes for which a formula holds."""


@dataclass
class _Search:
    family: Family
    known: dict[tuple[int, ...], tuple[Ways, Shape] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = tuple(self.family.sizes)
        self.base = dict(self.family.sizes)

    def formula(self) -> Formula:
        start = self.measured(self.base)
        if start is None or not self.names:
            raise _NoFormulaError
        self.shape = start[1]
        strides = {name: self.stride(name) for name in self.names}
        points = {name: self.points(name, strides[name]) for name in self.names}
        found = [self.polynomial(way, points) for way in range(len(start[0]))]
        self.confirm(found, points, strides)
        ranges = dict(self.ranges(found, points, strides))
        return Formula(self.names, _largest(found, {name: r[0] for name, r in ranges.items()}), ranges)

    def polynomial(self, way: int, points: Mapping[str, list[int]]) -> Polynomial:
        return Polynomial(self.names, _interpolated(self.names, points, lambda sizes: self.cycles(sizes)[way]))

    # --------------------------------------------------------------------------------------------------------- cycles

    def measured(self, sizes: Sizes) -> tuple[Ways, Shape] | None:
        """The cycles of each way and the loops at sizes; None where there is no such hardware or it depends on data."""
        key = tuple(sizes[name] for name in self.names)
        if key not in self.known:
            if len(self.known) >= MOST_POINTS:
                raise _NoFormulaError
            self.known[key] = self.measure(sizes)
        return self.known[key]

    def measure(self, sizes: Sizes) -> tuple[Ways, Shape] | None:
        try:
            found = self.family.counts(sizes)
        except GemelError:
            return None
        if found.cycles is None:
            return None
        ways = (found.cycles,) if found.ways is None else found.ways()
        if max(ways, default=-1) != found.cycles:  # loops of which now one and now another takes longer
            return None
        loops = ((r.name, r.level, r.ii, r.depth if r.ii is not None else None, r.beside) for r in found.loops)
        return ways, (len(ways), *loops)

    def alike(self, sizes: Sizes) -> Ways | None:
        """The cycles of each way where the loops are those of the base."""
        found = self.measured(sizes)
        return found[0] if found is not None and found[1] == self.shape else None

    def cycles(self, sizes: Sizes) -> Ways:
        found = self.alike(sizes)
        if found is None:
            raise _NoFormulaError
        return found

    # ---------------------------------------------------------------------------------------------------------- sizes

    def stride(self, name: str) -> int:
        """The distance to the next size with the same loops."""
        for s in STRIDES:
            if all(self.alike({**self.base, name: self.base[name] + k * s}) is not None for k in (1, 2)):
                return s
        raise _NoFormulaError

    def points(self, name: str, stride: int) -> list[int]:
        """The sizes that the interpolation takes: one more than the degree, which the size after them confirms."""
        values: list[list[Fraction]] = []
        for k in range(MOST_DEGREE + 2):
            values.append(list(map(Fraction, self.cycles({**self.base, name: self.base[name] + k * stride}))))
            if k and not any(_differences(way)[-1] for way in zip(*values, strict=True)):
                return [self.base[name] + n * stride for n in range(k)]
        raise _NoFormulaError

    def confirm(self, found: Sequence[Polynomial], points: Mapping[str, list[int]], strides: Mapping[str, int]) -> None:
        """Holds the formula to a size beyond all that it was made from."""
        beyond = {name: points[name][-1] + strides[name] for name in self.names}
        if not self.holds(found, beyond):
            raise _NoFormulaError

    def ranges(
        self, found: Sequence[Polynomial], points: Mapping[str, list[int]], strides: Mapping[str, int]
    ) -> Iterator[tuple[str, range]]:
        """From where to where it holds: together for the least sizes and for the largest."""
        low: dict[str, int] = {name: self.least(found, name, strides[name]) for name in self.names}
        high = {name: points[name][-1] + strides[name] for name in self.names}
        if not self.holds(found, low):
            low = dict(self.base)
        for factor in GROWTH:
            grown = {name: self.base[name] + (factor - 1) * -(-self.base[name] // s) * s for name, s in strides.items()}
            if self.holds(found, grown):
                high = grown
                break
        for name, stride in strides.items():
            low[name], high[name] = self.without_longer(found, name, low[name], high[name], stride)
            yield name, range(low[name], high[name] + 1, stride)

    def without_longer(
        self, found: Sequence[Polynomial], name: str, low: int, high: int, stride: int
    ) -> tuple[int, int]:
        """A range without the sizes whose multiples take longer, if these need more sums than those looked at."""
        base = self.base[name]
        for size in (n + (base - n) % stride for n in DIGITS):
            if low < size < high and not self.holds(found, {**self.base, name: size}):
                if size > base:
                    return low, size - stride
                low = size + stride
        return low, high

    def least(self, found: Sequence[Polynomial], name: str, stride: int) -> int:
        base = self.base[name]
        for least in LEAST:
            if least < base and (base - least) % stride == 0 and self.holds(found, {**self.base, name: least}):
                return least
        return base

    def holds(self, found: Sequence[Polynomial], sizes: Sizes) -> bool:
        return self.alike(sizes) == tuple(int(v) if (v := way.at(sizes)).denominator == 1 else -1 for way in found)


def _largest(found: Sequence[Polynomial], least: Sizes) -> tuple[Polynomial, ...]:
    """Those polynomials that aren't always at most as large as another one."""
    kept: list[Polynomial] = []
    for way in found:
        if not any(other.minus(way).never_negative(least) for other in kept):
            kept = [other for other in kept if not way.minus(other).never_negative(least)] + [way]
    return tuple(kept)


def _differences(values: Sequence[Fraction]) -> list[Fraction]:
    """The first value, and at its place the first, second, ... differences (for points at one distance)."""
    found = [values[0]]
    while len(values) > 1:
        values = [b - a for a, b in itertools.pairwise(values)]
        found.append(values[0])
    return found


def _interpolated(
    names: Sequence[str], points: Mapping[str, list[int]], value: Callable[[Sizes], int]
) -> dict[Powers, Fraction]:
    """The coefficients of the polynomial with these values on the grid of the points, one size after the other."""
    grid = itertools.product(*(range(len(points[name])) for name in names))
    table = {at: Fraction(value({n: points[n][k] for n, k in zip(names, at, strict=True)})) for at in grid}
    for axis, name in enumerate(names):
        for at in [at for at in table if at[axis] == 0]:
            line = [(*at[:axis], k, *at[axis + 1 :]) for k in range(len(points[name]))]
            for place, c in zip(line, _coefficients(points[name], [table[p] for p in line]), strict=True):
                table[place] = c
    return {powers: c for powers, c in table.items() if c}


def _coefficients(xs: Sequence[int], ys: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients, lowest power first, of the polynomial through points (Newton's divided differences)."""
    divided = list(ys)
    for order in range(1, len(xs)):
        for k in range(len(xs) - 1, order - 1, -1):
            divided[k] = (divided[k] - divided[k - 1]) / (xs[k] - xs[k - order])
    found = [Fraction(0)] * len(xs)
    for k in range(len(xs) - 1, -1, -1):  # Horner's scheme, with polynomials
        for n in range(len(xs) - 1, 0, -1):
            found[n] = found[n - 1] - xs[k] * found[n]
        found[0] = divided[k] - xs[k] * found[0]
    return found
