"""Products of unknowns, made linear: each monomial becomes an unknown of its own, with what its factors' bounds say.

From a >= 0 and b >= 0 follows a * b >= 0. Multiplied out, for bounds `a` and `b` of the two factors of a monomial, that
is a linear fact about monomials (the first step of the reformulation-linearisation technique of Sherali and Adams,
1990). What remains is linear, which z3 decides quickly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from gemel.semantics.verify.terms import Bool

MOST_LEMMAS = 96
MOST_BOUNDS = 7


@dataclass(frozen=True)
class _Bound:
    """A term that is at least 0, the unknowns it is a sum of, and how plain it is (less is plainer)."""

    term: Any
    summands: frozenset[int]
    rank: int


@dataclass(frozen=True)
class _Expanded:
    """A fact as a sum of monomials, the products in it, and what it says is at least 0."""

    original: Any
    term: Any
    products: tuple[Any, ...]
    bounds: tuple[_Bound, ...]


class Linear:
    """Makes questions linear; remembers what facts look like multiplied out."""

    def __init__(self) -> None:
        self._known: dict[int, _Expanded] = {}

    def __call__(self, facts: Sequence[Bool], goal: Bool) -> tuple[list[Bool], Bool] | None:
        """Facts and goal without products of unknowns; None where there are none to begin with."""
        parts = [self._expanded(f) for f in facts]
        wanted = self._expanded(goal)
        products = {p.get_id(): p for x in (*parts, wanted) for p in x.products}
        if not products:
            return None
        bounds = {b.term.get_id(): b for x in parts for b in x.bounds}
        lemmas = list(itertools.islice(_lemmas(list(products.values()), list(bounds.values())), MOST_LEMMAS))
        names = _Monomials()
        known = [names(x.term, x.products) for x in parts]
        known += [names(t, tuple(_products(t))) for t in lemmas]
        return known, names(wanted.term, wanted.products)

    def _expanded(self, fact: Bool) -> _Expanded:
        key = fact.get_id()
        if key not in self._known:
            term = _expand(fact)
            bounds = tuple(map(_ranked, _bounds(term)))
            self._known[key] = _Expanded(fact, term, tuple(_products(term)), bounds)
        return self._known[key]


def _expand(term: Any) -> Any:
    return z3.simplify(term, som=True, arith_lhs=True)


def _products(term: Any) -> Iterator[Any]:
    """The products of two or more unknowns in a term."""
    seen: set[int] = set()
    todo = [term]
    while todo:
        t = todo.pop()
        if t.get_id() in seen:
            continue
        seen.add(t.get_id())
        if len(_factors(t)) > 1:
            yield t
        todo.extend(t.children())


def _factors(t: Any) -> list[Any]:
    """The unknown factors of a product; none of other terms."""
    if z3.is_mul(t):
        return [f for c in t.children() for f in (_power(c) or [c]) if not z3.is_int_value(c)]
    return _power(t)


def _power(t: Any) -> list[Any]:
    if z3.is_app_of(t, z3.Z3_OP_POWER) and z3.is_int_value(t.arg(1)):
        return [t.arg(0)] * int(t.arg(1).as_long())
    return []


class _Monomials:
    """Puts an unknown in the place of each product."""

    def __init__(self) -> None:
        self.names: dict[tuple[int, ...], Any] = {}
        self.kept: list[Any] = []

    def __call__(self, term: Any, products: Sequence[Any]) -> Any:
        swaps = []
        for product in products:
            factors = _factors(product)
            self.kept.append(product)
            key = tuple(sorted(f.get_id() for f in factors))
            name = self.names.setdefault(key, z3.FreshInt("product"))
            coefficient = next((c for c in product.children() if z3.is_int_value(c)), None)
            swaps.append((product, name if coefficient is None else coefficient * name))
        return z3.substitute(term, *swaps) if swaps else term


def _lemmas(products: Sequence[Any], known: Sequence[_Bound]) -> Iterator[Bool]:
    bounds = sorted(known, key=lambda b: b.rank)
    done: set[tuple[int, int]] = set()
    for product in products:
        for x, y in itertools.combinations(_factors(product), 2):
            for a, b in itertools.product(_about(bounds, x), _about(bounds, y)):
                key = (a.term.get_id(), b.term.get_id())
                if key not in done:
                    done |= {key, key[::-1]}
                    yield _expand(a.term * b.term) >= 0  # expanded first: of a whole comparison z3 would make signs


def _about(bounds: Sequence[_Bound], x: Any) -> list[_Bound]:
    """The bounds that speak of an unknown, the plainest first."""
    name = x.get_id()
    return list(itertools.islice((b for b in bounds if name in b.summands), MOST_BOUNDS))


def _ranked(bound: Any) -> _Bound:
    parts = bound.children() if z3.is_add(bound) else [bound]
    constants = [p.as_long() for p in parts if z3.is_int_value(p)]
    unknowns = [_unscaled(p) for p in parts if not z3.is_int_value(p)]
    far = any(abs(c) > 1 << 20 for c in constants)
    return _Bound(bound, frozenset(u.get_id() for u in unknowns), len(parts) + 1000 * far)


def _unscaled(t: Any) -> Any:
    """A summand without its constant factor."""
    if z3.is_mul(t) and t.num_args() == 2 and z3.is_int_value(t.arg(0)):
        return t.arg(1)
    return t


def _bounds(fact: Bool) -> Iterator[Any]:
    """Terms that a fact says are at least 0."""
    if z3.is_and(fact):
        for f in fact.children():
            yield from _bounds(f)
    elif z3.is_not(fact) and z3.is_app(fact.arg(0)) and fact.arg(0).num_args() == 2:
        a, b = fact.arg(0).children()
        if z3.is_le(fact.arg(0)):
            yield _expand(a - b - 1)
        elif z3.is_ge(fact.arg(0)):
            yield _expand(b - a - 1)
    elif z3.is_le(fact) or z3.is_ge(fact):
        a, b = fact.children()
        yield _expand(b - a if z3.is_le(fact) else a - b)
