"""Loads from array versions, and what statements about all elements say of the elements that are loaded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import z3

from gemel.semantics.dtypes import BoolType
from gemel.semantics.ir import Buffer
from gemel.semantics.solvers import new_solver
from gemel.semantics.verify.state import (
    Base,
    Chosen,
    ForAll,
    Place,
    State,
    Stored,
    Version,
    applications,
    base,
    symbols,
)
from gemel.semantics.verify.terms import Num, Term, choose, range_of
from gemel.semantics.verify.unknowns import fresh_int

MOST_INSTANCES = 48
GAPLESS_EFFORT = 20_000
"""z3's resource units for the question whether a condition describes a range."""


class Memory:
    """Loads elements; `elements` has what holds for every initialised element of a buffer."""

    def __init__(self) -> None:
        self.bases: dict[str, Base] = {}
        self.elements: dict[Buffer, list[Any]] = {}

    def unknown(self, buffer: Buffer) -> Base:
        """A version of a buffer of which nothing is known."""
        made = base(buffer, isinstance(buffer.dtype, BoolType))
        self.bases[made.function.name()] = made
        return made

    def load(self, state: State, version: Version, place: Place) -> Term:
        """An element; `state` learns what is known of it."""
        return self._load(state, version, place, {})

    def _load(self, state: State, version: Version, place: Place, done: dict[int, Term]) -> Term:
        if id(version) not in done:
            done[id(version)] = self._fold(state, version, place, done)
        return done[id(version)]

    def _fold(self, state: State, version: Version, place: Place, done: dict[int, Term]) -> Term:
        match version:
            case Base():
                return self._base(state, version, place)
            case Stored():
                same = z3.simplify(z3.And(*(a == b for a, b in zip(place, version.place, strict=True))))
                if z3.is_true(same):
                    return version.value
                older = self._load(state, version.older, place, done)
                return older if z3.is_false(same) else choose(same, version.value, older)
            case Chosen():
                sides = (self._load(state, v, place, done) for v in (version.then, version.orelse))
                return choose(version.cond, *sides)

    def _base(self, state: State, version: Base, place: Place) -> Term:
        buffer, name = version.buffer, version.function.name()
        place = tuple(map(z3.simplify, place))
        term = version.function(*place)
        made: Term = term if isinstance(buffer.dtype, BoolType) else Num(term, *range_of(buffer.dtype))
        self._ruled(state, version, term, place)
        seen, key = state.loads.setdefault(name, {}), tuple(p.get_id() for p in place)
        if key in seen:
            return made
        seen[key] = place
        self._ranged(state, buffer, term, place)
        for statement in list(state.foralls):
            self._instances(state, statement, name, place)
        return made

    def _ranged(self, state: State, buffer: Buffer, term: Any, place: Place) -> None:
        """What the type of a loaded element says."""
        if not isinstance(buffer.dtype, BoolType):
            lo, hi = range_of(buffer.dtype)
            state.facts.define(z3.And(term >= lo, term <= hi), (term,))

    def _ruled(self, state: State, version: Base, term: Any, place: Place) -> None:
        """What all initialised elements have in common: where the load is evaluated, the element is one."""
        rules = self.elements.get(version.buffer)
        key = (version.function.name(), *(p.get_id() for p in place))
        if not rules or key in state.ruled:
            return
        for rule in rules:
            state.learn(rule(Num(term, *range_of(version.buffer.dtype)), place))
        if not state.path:
            state.ruled.add(key)

    def state_all(self, state: State, statement: ForAll) -> None:
        """Takes in a statement about all elements, for those loaded so far and later."""
        for one in (statement, *_chains(statement)):
            state.foralls.append(one)
            state.stated.append(one)
            for name in list(state.loads):
                for place in list(state.loads[name].values()):
                    self._instances(state, one, name, place)

    def _instances(self, state: State, statement: ForAll, name: str, place: Place) -> None:
        """The statement for the values of its variables that make one of its loads the load of `place`.

        Loads that an instance brings in have the range of their type, and no instances of their own.
        """
        for pattern in applications(statement.body, {name}):
            for values in itertools.islice(self._matches(state, statement, pattern, place), MOST_INSTANCES):
                swap = list(zip(statement.variables, values, strict=True))
                made = z3.simplify(z3.substitute(z3.Implies(statement.cond, statement.body), *swap))
                if z3.is_true(made) or made in state.facts:
                    continue
                state.facts.append(made)
                for load in applications(made, set(self.bases)):
                    self._ranged(state, self.bases[load.decl().name()].buffer, load, tuple(load.children()))

    def _matches(self, state: State, statement: ForAll, pattern: Any, place: Place) -> Iterator[tuple[Any, ...]]:
        found = solve(tuple(pattern.children()), place, statement.variables)
        if found is None:
            return
        missing = [v for v in statement.variables if v not in found]
        choices = [list(self._candidates(state, statement, v)) for v in missing]
        for values in itertools.product(*choices):
            full = {**found, **dict(zip(missing, values, strict=True))}
            yield tuple(full[v] for v in statement.variables)

    def _candidates(self, state: State, statement: ForAll, variable: Any) -> Iterator[Any]:
        for load in applications(statement.body, set(self.bases)):
            for place in state.loads.get(load.decl().name(), {}).values():
                found = solve(tuple(load.children()), place, (variable,))
                if found and variable in found:
                    yield found[variable]


def solve(pattern: Place, place: Place, variables: tuple[Any, ...]) -> dict[Any, Any] | None:
    """Values of the variables that make each index, a sum of multiples of them and a rest, that of `place`.

    With several variables in one index, as in `64 * i + 4 * j + k`, they are taken for the digits of a number: whether
    they are is left to the caller, as are indices without variables. None where an index holds one in another form.
    """
    found: dict[Any, Any] = {}
    for p, target in zip(pattern, place, strict=True):
        inside = [v for v in variables if _holds(p, v)]
        values = _digits(p, inside, target)
        if values is None:
            return None
        for v, value in zip(inside, values, strict=True):
            found.setdefault(v, value)
    return found


def _digits(p: Any, variables: list[Any], target: Any) -> list[Any] | None:
    """Values of the variables for which `p` may be `target`."""
    factors = [z3.simplify(z3.substitute(p, (v, v + 1)) - p) for v in variables]
    if not all(z3.is_int_value(f) and f.as_long() for f in factors):
        return None
    rest = z3.simplify(target - z3.substitute(p, *((v, z3.IntVal(0)) for v in variables))) if variables else None
    sizes = [f.as_long() for f in factors]
    return [z3.simplify(_digit(rest, size, [abs(s) for s in sizes])) for size in sizes]


def _digit(number: Any, size: int, sizes: list[int]) -> Any:
    higher = [s for s in sizes if s > abs(size)]
    part = number if not higher else number % min(higher)
    return (part if size > 0 else -part) / abs(size) if abs(size) > 1 else part if size > 0 else -part


def _holds(term: Any, variable: Any) -> bool:
    return variable.decl().name() in symbols(term)


def _chains(statement: ForAll) -> Iterator[ForAll]:
    """From a[i] <= a[i + 1] for all i in a range: a[i] <= a[j] for all i <= j (by induction over j - i)."""
    if len(statement.variables) != 1:
        return
    (i,) = statement.variables
    comparison = _ordered(statement.body)
    if comparison is None:
        return
    low, high, strict = comparison
    if not (
        z3.is_app(low) and z3.is_app(high) and low.num_args() == high.num_args() == 1 and low.decl() == high.decl()
    ):
        return
    first, second = low.arg(0), high.arg(0)
    if _holds(z3.simplify(first - i), i) or not z3.is_true(z3.simplify(second - first == 1)):
        return
    if not _gapless(statement.cond, i):
        return
    j = fresh_int("j")
    body = low < z3.substitute(high, (i, j)) if strict else low <= z3.substitute(high, (i, j))
    cond = z3.And(statement.cond, z3.substitute(statement.cond, (i, j)), i <= j)
    yield ForAll((i, j), cond, body)


def _gapless(cond: Any, i: Any) -> bool:
    """Whether what lies between two values of `i` that fulfil a condition does so too."""
    j, between = fresh_int("j"), fresh_int("between")
    solver = new_solver()
    solver.set("rlimit", GAPLESS_EFFORT)
    solver.add(cond, z3.substitute(cond, (i, j)), i <= between, between <= j)
    solver.add(z3.Not(z3.substitute(cond, (i, between))))
    return bool(solver.check() == z3.unsat)


def _ordered(body: Any) -> tuple[Any, Any, bool] | None:
    """The lesser side, the greater side, and whether they differ, of an order between two terms."""
    kind = body.decl().kind() if z3.is_app(body) else None
    if kind in (z3.Z3_OP_LE, z3.Z3_OP_LT):
        return body.arg(0), body.arg(1), kind == z3.Z3_OP_LT
    if kind in (z3.Z3_OP_GE, z3.Z3_OP_GT):
        return body.arg(1), body.arg(0), kind == z3.Z3_OP_GT
    return None
