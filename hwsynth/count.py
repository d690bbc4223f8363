"""Cycles as a function of the loops around: exact where control is static, and a form that can be summed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain, product

import numpy as np

from gemel.hwsynth.evaluate import Numbers, evaluated, trips_of
from gemel.semantics.ir import Const, Expr, Ref, Var
from gemel.semantics.traverse import subexprs

MOST = 1 << 22
"""Iterations of a loop whose cycles differ that are looked at together."""


@dataclass(frozen=True)
class Fixed:
    """So many cycles."""

    cycles: int


@dataclass(frozen=True)
class Total:
    """The sum of some counts."""

    parts: tuple[Count, ...]


@dataclass(frozen=True)
class Most:
    """The largest of some counts."""

    parts: tuple[Count, ...]


@dataclass(frozen=True)
class Turns:
    """`each` for each value of a loop variable; `none` where there is no value."""

    var: Var
    lo: Expr
    hi: Expr
    step: int
    each: Count
    none: Count = Fixed(0)


Count = Fixed | Total | Most | Turns


def total(*parts: Count | None) -> Count | None:
    """The sum; None where a part isn't known."""
    known: list[Count] = []
    fixed = 0
    for p in parts:
        if p is None:
            return None
        for x in p.parts if isinstance(p, Total) else (p,):
            fixed += x.cycles if isinstance(x, Fixed) else 0
            known += [] if isinstance(x, Fixed) else [x]
    if not known:
        return Fixed(fixed)
    return Total((*known, Fixed(fixed))) if fixed or len(known) > 1 else known[0]


def most(*parts: Count | None) -> Count | None:
    """The largest; None where a part isn't known."""
    known: dict[Count, None] = {}
    for p in parts:
        if p is None:
            return None
        known |= dict.fromkeys(p.parts if isinstance(p, Most) else (p,))
    fixed = max((x.cycles for x in known if isinstance(x, Fixed)), default=0)
    others: list[Count] = [x for x in known if not isinstance(x, Fixed)]
    if not any(_least(x) >= fixed for x in others):
        others.append(Fixed(fixed))
    return others[0] if len(others) == 1 else Most(tuple(others))


def _least(count: Count) -> int:
    """Cycles that a count is never below."""
    match count:
        case Fixed():
            return count.cycles
        case Total():
            return sum(map(_least, count.parts))
        case Most():
            return max(map(_least, count.parts))
        case Turns(lo=Const(value=lo), hi=Const(value=hi), step=step):
            return _least(count.each if len(range(int(lo), int(hi), step)) else count.none)
        case Turns():
            return min(0, _least(count.none))


def variables_of(count: Count) -> frozenset[Var]:
    """The loop variables on which a count depends."""
    match count:
        case Fixed():
            return frozenset()
        case Total() | Most():
            return frozenset().union(*map(variables_of, count.parts))
        case Turns():
            bounds = frozenset(x.var for e in (count.lo, count.hi) for x in subexprs(e) if isinstance(x, Ref))
            return bounds | variables_of(count.none) | (variables_of(count.each) - {count.var})


def cycles(count: Count, env: Mapping[Var, Numbers]) -> Numbers:
    """The cycles at given values of the loop variables around."""
    match count:
        case Fixed():
            return count.cycles
        case Total():
            return sum(cycles(p, env) for p in count.parts)
        case Most():
            return reduce(np.maximum, (cycles(p, env) for p in count.parts))
        case Turns():
            return _turns(count, env)


def alternatives(count: Count) -> Iterator[Count]:
    """The counts of which one is the count at given sizes, whichever parts are the largest; in a settled order."""
    match count:
        case Fixed():
            yield count
        case Total():
            yield from map(Total, product(*map(tuple, map(alternatives, count.parts))))
        case Most():
            yield from chain.from_iterable(map(alternatives, count.parts))
        case Turns():
            for each, none in product(alternatives(count.each), alternatives(count.none)):
                yield replace(count, each=each, none=none)


def _turns(t: Turns, env: Mapping[Var, Numbers]) -> Numbers:
    lo: Numbers = evaluated(t.lo, env)
    hi: Numbers = evaluated(t.hi, env)
    trips = trips_of(lo, hi, t.step)
    none = cycles(t.none, env)
    if t.var not in variables_of(t.each):
        return np.where(trips > 0, trips * cycles(t.each, env), none)
    shape = np.broadcast_shapes(np.shape(trips), *(np.shape(v) for v in env.values()))
    lo, trips, none = (np.broadcast_to(x, shape).reshape(-1) for x in (lo, trips, none))
    flat = {v: np.broadcast_to(x, shape).reshape(-1) for v, x in env.items()}
    made = np.array(none, np.int64)
    ends = np.cumsum(trips)
    first = 0
    while first < len(lo):  # in pieces that fit memory
        last = max(int(np.searchsorted(ends, (ends[first - 1] if first else 0) + MOST, "right")), first + 1)
        part = slice(first, last)
        made[part] += _each(t, lo[part], trips[part], {v: x[part] for v, x in flat.items()})
        first = last
    made[trips > 0] -= none[trips > 0]
    return made.reshape(shape) if shape else int(made[0])


def _each(t: Turns, lo: Numbers, trips: Numbers, env: Mapping[Var, Numbers]) -> Numbers:
    """The sum over the values of the loop variable, for each state of the loops around."""
    ends = np.cumsum(trips)
    position = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - trips, trips)
    inner = {v: np.repeat(x, trips) for v, x in env.items()}
    inner[t.var] = np.repeat(lo, trips) + position * t.step
    each = np.broadcast_to(cycles(t.each, inner), position.shape)
    sums = np.concatenate([[0], np.cumsum(each)])
    return sums[ends] - sums[ends - trips]
