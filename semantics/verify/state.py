"""What is known where a symbolic run stands: values of variables, versions of arrays, facts, initialised elements.

An array is a function of its indices (`Base`), an older version with one element stored (`Stored`), or a choice between
two versions (`Chosen`). A load folds over these, so that z3 sees functions and conditions only, never arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from gemel.semantics.ir import Buffer, Var
from gemel.semantics.verify.facts import Facts, forget_keys
from gemel.semantics.verify.terms import Bool, Term
from gemel.semantics.verify.unknowns import mark, serial_of

Place = tuple[Any, ...]
"""Index terms."""

LONGEST_CHAIN = 48
"""Stores after which an array's older elements are forgotten: terms must not grow without bound."""


@dataclass(frozen=True, eq=False)
class Base:
    """An array of which each element is unknown."""

    buffer: Buffer
    function: Any
    depth: int = 0


@dataclass(frozen=True, eq=False)
class Stored:
    """An array after a store."""

    older: Version
    place: Place
    value: Term
    depth: int


@dataclass(frozen=True, eq=False)
class Chosen:
    """The array that a branch leaves."""

    cond: Bool
    then: Version
    orelse: Version
    depth: int


Version = Base | Stored | Chosen


def base(buffer: Buffer, is_bool: bool) -> Base:
    """A new unknown array."""
    sorts = [z3.IntSort()] * buffer.rank
    result = z3.BoolSort() if is_bool else z3.IntSort()
    return Base(buffer, z3.Function(f"{buffer.hint}!{mark()}", *sorts, result))


@dataclass(frozen=True, eq=False)
class ForAll:
    """`body` holds for all values of `variables` for which `cond` does."""

    variables: tuple[Any, ...]
    cond: Bool
    body: Bool


@dataclass(frozen=True, eq=False)
class Region:
    """The elements `place` are initialised for all values of `variables` for which `cond` holds."""

    variables: tuple[Any, ...]
    cond: Bool
    place: Place


@dataclass
class State:
    """Facts and values at a place of a run.

    `path` has the conditions on which the operand that is being evaluated is; `ruled` the loads of which what all
    elements have in common is known whatever the path.
    """

    vars: dict[Var, Term] = field(default_factory=dict)
    scalars: dict[Buffer, Term] = field(default_factory=dict)
    arrays: dict[Buffer, Version] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    stated: list[Bool | ForAll] = field(default_factory=list)
    foralls: list[ForAll] = field(default_factory=list)
    loads: dict[str, dict[tuple[int, ...], Place]] = field(default_factory=dict)
    regions: dict[Buffer, list[Region]] = field(default_factory=dict)
    known: set[Buffer] = field(default_factory=set)
    path: list[Bool] = field(default_factory=list)
    ruled: set[tuple[Any, ...]] = field(default_factory=set)

    def learn(self, fact: Bool, *about: Any) -> None:
        """Takes in a fact that holds on the path, where an operand is evaluated; `about` are terms that it defines."""
        self.facts.define(z3.Implies(z3.And(*self.path), fact) if self.path else fact, about)

    def copy(self) -> State:
        """The same state, to go on from by itself."""
        return State(
            dict(self.vars),
            dict(self.scalars),
            dict(self.arrays),
            self.facts.copy(),
            list(self.stated),
            list(self.foralls),
            {name: dict(places) for name, places in self.loads.items()},
            {b: list(r) for b, r in self.regions.items()},
            set(self.known),
            list(self.path),
            set(self.ruled),
        )


def symbols(term: Any) -> dict[str, Any]:
    """The unknowns and unknown functions in a z3 term, by name, with one application of each."""
    known = _symbols.get(term.get_id())
    if known is None:
        known = _symbols[term.get_id()] = term, _symbols_of(term)
    return known[1]


_symbols: dict[int, tuple[Any, dict[str, Any]]] = {}


def forget_terms() -> None:
    """Empties what is remembered about terms; while it is remembered, a term's id stays its own."""
    _symbols.clear()
    forget_keys()


def _symbols_of(term: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    seen: set[int] = set()
    todo = [term]
    while todo:
        t = todo.pop()
        key = t.get_id()
        if key in seen:
            continue
        seen.add(key)
        children = t.children()
        if z3.is_app(t) and t.decl().kind() == z3.Z3_OP_UNINTERPRETED:
            found.setdefault(t.decl().name(), t)
        todo.extend(children)
    return found


def applications(term: Any, names: Sequence[str] | set[str]) -> list[Any]:
    """The applications of the named functions in a z3 term."""
    found: list[Any] = []
    seen: set[int] = set()
    todo = [term]
    while todo:
        t = todo.pop()
        if t.get_id() in seen:
            continue
        seen.add(t.get_id())
        if z3.is_app(t) and t.num_args() and t.decl().name() in names:
            found.append(t)
        todo.extend(t.children())
    return found


def newer(term: Any, than: int, allowed: Sequence[Any]) -> bool:
    """Whether a term speaks of unknowns made since `than`, the allowed ones apart."""
    names = {v.decl().name() for v in allowed}
    return any(serial_of(name) >= than and name not in names for name in symbols(term))
