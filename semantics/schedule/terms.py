"""What an element of an array is, as a term over sizes and places that may be symbols; and what z3 knows of these.

Places and conditions are z3's integers and booleans. A `Fold` is an accumulation over all places of a domain, in the
order of its variables; loops and the accumulations in them become folds, so that a term has no loop.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import z3

from gemel.semantics.dtypes import DType
from gemel.semantics.ops import Op
from gemel.semantics.solvers import new_solver

TIMEOUT_MS = 4000
SECONDS = 30.0
"""Time for all questions of a proof."""


class Unknown(Exception):
    """Something that isn't decided."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """An element of what a kernel is given; `of` tells which array."""

    of: object
    at: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Number:
    """A constant."""

    value: Any
    dtype: DType


@dataclass(frozen=True, eq=False)
class Whole:
    """An integer made of sizes and places."""

    value: Any
    dtype: DType


@dataclass(frozen=True, eq=False)
class Made:
    """An op on terms."""

    op: Op
    dtype: DType
    args: tuple[Term, ...]


@dataclass(frozen=True, eq=False)
class Either:
    """One of two terms; the condition is about sizes and places."""

    cond: Any
    then: Term
    orelse: Term


@dataclass(frozen=True, eq=False)
class Before:
    """The value that the element had when the iteration of a loop began."""

    token: object


@dataclass(frozen=True, eq=False)
class Part:
    """A value for each place of a domain, in the order of the variables."""

    vars: tuple[Any, ...]
    domain: Any
    body: Term


@dataclass(frozen=True, eq=False)
class Fold:
    """`first`, and then all values of a part accumulated into it."""

    op: Op
    dtype: DType
    first: Term
    part: Part


Term = Leaf | Number | Whole | Made | Either | Before | Fold


def below(t: Term) -> tuple[Term, ...]:
    """The terms that a term is made of."""
    match t:
        case Made():
            return t.args
        case Either():
            return t.then, t.orelse
        case Fold():
            return t.first, t.part.body
        case _:
            return ()


def holds_before(t: Term, token: object) -> bool:
    """Whether a term speaks of the value before an iteration of a loop."""
    return (isinstance(t, Before) and t.token is token) or any(holds_before(x, token) for x in below(t))


@dataclass
class Facts:
    """z3, with what is known where a question is asked."""

    known: list[Any] = field(default_factory=list)
    solver: Any = field(default_factory=new_solver)
    answers: dict[Any, Any] = field(default_factory=dict)
    symbols: dict[Any, tuple[frozenset[str], Any]] = field(default_factory=dict)
    forms: dict[Any, tuple[Form | None, Any, Any]] = field(default_factory=dict)
    end: float = field(default_factory=lambda: time.process_time() + SECONDS)
    count: int = 0
    assumed: int = 0
    """How many, from the first on, are known wherever a question is asked."""

    def __post_init__(self) -> None:
        self.solver.set("timeout", TIMEOUT_MS)

    def fresh(self, hint: str) -> Any:
        """A new integer."""
        self.count += 1
        return z3.Int(f"{hint}!{self.count}")

    def given(self, *conds: Any) -> _Given:
        """A place where more is known."""
        return _Given(self, list(conds))

    def possible(self, *conds: Any) -> bool:
        """Whether conditions may hold together.

        Raises Unknown where z3 doesn't tell.
        """
        cond = z3.simplify(z3.And(*conds)) if conds else z3.BoolVal(True)
        if z3.is_false(cond):
            return False
        key = (self.ids(), cond.get_id())
        if key not in self.answers:
            self.answers[key] = (self._check(cond), cond, list(self.known))  # kept, so that no id is used again
        return bool(self.answers[key][0])

    def _check(self, cond: Any) -> bool:
        if time.process_time() > self.end:
            raise Unknown(f"not decided in {SECONDS:.0f} seconds")
        self.solver.push()
        self.solver.add(*self.known, cond)
        found = self.solver.check()
        self.solver.pop()
        if found == z3.unknown:
            raise Unknown("z3 doesn't decide a condition on sizes and places")
        return bool(found == z3.sat)

    def sure(self, cond: Any) -> bool:
        """Whether a condition always holds."""
        return not self.possible(z3.Not(cond))

    def ids(self) -> tuple[int, ...]:
        """What is known, as a key."""
        return tuple(k.get_id() for k in self.known)

    # ---------------------------------------------------------------------------------------------------- what matters

    def names(self, e: Any) -> frozenset[str]:
        """The symbols in an integer or condition."""
        key = e.get_id()
        if key not in self.symbols:
            own = [str(e)] if z3.is_const(e) and e.decl().kind() == z3.Z3_OP_UNINTERPRETED else []
            self.symbols[key] = frozenset(own).union(*map(self.names, e.children())), e
        return self.symbols[key][0]

    def free(self, t: Term) -> frozenset[str]:
        """The symbols in a term, but for the variables of its folds."""
        if t not in self.symbols:
            self.symbols[t] = frozenset().union(*map(self.free, below(t)), *map(self.names, _integers(t))), t
            if isinstance(t, Fold):
                bound = frozenset(map(str, t.part.vars))
                self.symbols[t] = self.symbols[t][0] - bound, t
        return self.symbols[t][0]

    def about(self, names: frozenset[str]) -> _About:
        """A place where only that is known that has to do with some symbols: answers there serve for more places."""
        chosen = set(range(self.assumed))
        names = names.union(*map(self.names, self.known[: self.assumed]))
        grown = True
        while grown:
            grown = False
            for n, k in enumerate(self.known):
                own = self.names(k)
                if n not in chosen and own & names:
                    chosen.add(n)
                    names, grown = names | own, True
        return _About(self, [k for n, k in enumerate(self.known) if n in chosen])

    def moved(self, t: Term, pairs: Sequence[tuple[Any, Any]]) -> Term:
        """The term with integers in place of variables; what has none of them stays the same object."""
        if not self.free(t) & {str(v) for v, _ in pairs}:
            return t

        def put(e: Any) -> Any:
            return z3.simplify(z3.substitute(e, *pairs))

        match t:
            case Leaf():
                return Leaf(t.of, tuple(map(put, t.at)))
            case Whole():
                return Whole(put(t.value), t.dtype)
            case Made():
                return Made(t.op, t.dtype, tuple(self.moved(a, pairs) for a in t.args))
            case Either():
                return Either(put(t.cond), self.moved(t.then, pairs), self.moved(t.orelse, pairs))
            case Fold():
                part = Part(t.part.vars, put(t.part.domain), self.moved(t.part.body, pairs))
                return Fold(t.op, t.dtype, self.moved(t.first, pairs), part)
            case _:
                return t

    # -------------------------------------------------------------------------------------------------------- digits

    def coefficients(self, e: Any, variables: Sequence[Any]) -> Form | None:
        """What is left of an integer where variables are 0, and by what each changes it; None where that is no number.

        A guess where the integer isn't linear: who uses it asks z3 whether it was right.
        """
        key = e.get_id(), tuple(v.get_id() for v in variables)
        if key not in self.forms:
            self.forms[key] = _form(e, variables), e, variables  # kept, so that no id is used again
        return self.forms[key][0]

    def solved(self, target: Any, e: Any, v: Any, variables: Sequence[Any]) -> Any | None:
        """A guess of `v` where `e` equals `target`: the digit that it is in a sum of multiples of the variables."""
        found = self.coefficients(e, variables)
        if found is None:
            return None
        rest, factors = found
        c = next(f for u, f in zip(variables, factors, strict=True) if u is v)
        if c == 0:
            return None
        larger = [abs(f) for f in factors if abs(f) > abs(c)]
        difference = target - rest if c > 0 else rest - target
        if larger:
            difference = difference % min(larger)
        return z3.simplify(difference / abs(c) if abs(c) > 1 else difference)


Form = tuple[Any, list[int]]
"""A rest, and a factor for each of some variables."""


def _form(e: Any, variables: Sequence[Any]) -> Form | None:
    rest = z3.simplify(z3.substitute(e, *((v, z3.IntVal(0)) for v in variables))) if variables else e
    found = []
    for v in variables:
        pairs = [(u, z3.IntVal(int(u is v))) for u in variables]
        c = z3.simplify(z3.substitute(e, *pairs) - rest)
        if not z3.is_int_value(c):
            return None
        found.append(c.as_long())
    return rest, found


def _integers(t: Term) -> tuple[Any, ...]:
    match t:
        case Leaf():
            return t.at
        case Whole():
            return (t.value,)
        case Either():
            return (t.cond,)
        case Fold():
            return (t.part.domain,)
        case _:
            return ()


class _About:
    def __init__(self, facts: Facts, kept: list[Any]) -> None:
        self.facts, self.kept = facts, kept

    def __enter__(self) -> None:
        self.facts.known, self.kept = self.kept, self.facts.known

    def __exit__(self, *_: object) -> None:
        self.facts.known, self.kept = self.kept, self.facts.known


class _Given:
    def __init__(self, facts: Facts, conds: list[Any]) -> None:
        self.facts, self.conds = facts, conds

    def __enter__(self) -> None:
        self.facts.known += self.conds

    def __exit__(self, *_: object) -> None:
        del self.facts.known[len(self.facts.known) - len(self.conds) :]
