"""Whether two terms are the same value: op by op, and folds by a one-to-one map of their domains.

The map is guessed from the places that both read, and shown by z3 to be right: it stays in the domain, no place is
met twice or left out, and where roundings count it keeps the order. Without that, sums may come in any order,
`fma(a, b, c)` is `a * b + c`, and a neutral value that is accumulated says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

import z3

from gemel.semantics import ops
from gemel.semantics.dtypes import DType, FloatType
from gemel.semantics.schedule.partial import neutral
from gemel.semantics.schedule.terms import (
    Either,
    Facts,
    Fold,
    Leaf,
    Made,
    Number,
    Part,
    Term,
    Whole,
    below,
)
from gemel.semantics.span import Span

GUESSES = 24
"""Maps between two domains that are tried."""

NOWHERE = Span("", 0, 0, 0, 0)


@dataclass
class Agreement:
    """Comparison under what is known; `exact` says that roundings count."""

    facts: Facts
    exact: bool
    answers: dict[Any, tuple[bool, Any]] = field(default_factory=dict)

    def same(self, a: Term, b: Term) -> bool:
        """Whether two terms are shown to be the same."""
        with self.facts.about(self.facts.free(a) | self.facts.free(b)):
            key = (a, b, self.facts.ids())
            if key not in self.answers:
                self.answers[key] = self._same(a, b), list(self.facts.known)  # kept, so that no id is used again
        return self.answers[key][0]

    def _same(self, a: Term, b: Term) -> bool:
        if isinstance(a, Either):
            return self._each(a, lambda side: self.same(side, b))
        if isinstance(b, Either):
            return self._each(b, lambda side: self.same(a, side))
        if self._accumulates(a) or self._accumulates(b):
            return self._same_sums(a, b)
        match a, b:
            case Leaf(), Leaf():
                return a.of == b.of and self._equal(a.at, b.at)
            case Number(), Number():
                return a.dtype == b.dtype and repr(a.value) == repr(b.value)
            case ((Whole() | Number()), (Whole() | Number())):
                return a.dtype == b.dtype and self._equal((a.value,), (b.value,))
            case Made(), Made():
                return a.op is b.op and a.dtype == b.dtype and self._same_args(a, b)
            case _:
                return False

    def _each(self, t: Either, same: Any) -> bool:
        for cond, side in ((t.cond, t.then), (z3.Not(t.cond), t.orelse)):
            if self.facts.possible(cond):
                with self.facts.given(cond):
                    if not same(side):
                        return False
        return True

    def _equal(self, a: Sequence[Any], b: Sequence[Any]) -> bool:
        return len(a) == len(b) and self.facts.sure(z3.And(*(x == y for x, y in zip(a, b, strict=True))))

    def _same_args(self, a: Made, b: Made) -> bool:
        if len(a.args) == len(b.args) and all(map(self.same, a.args, b.args)):
            return True
        return a.op.commutative and all(map(self.same, a.args, reversed(b.args)))

    # -------------------------------------------------------------------------------------------------------- sums

    def _accumulates(self, t: Term) -> bool:
        if isinstance(t, Fold):
            return True
        return isinstance(t, Made) and not self.exact and t.op in (ops.ADD, ops.FMA) and isinstance(t.dtype, FloatType)

    def _same_sums(self, a: Term, b: Term) -> bool:
        one = max((t for t in (a, b) if self._accumulates(t)), key=lambda t: isinstance(t, Fold))
        op, dtype = self._op(one), one.dtype  # type: ignore[union-attr]
        free = not (self.exact and isinstance(dtype, FloatType) and op in (ops.ADD, ops.MUL, ops.FMA))
        first, second = (self._gathered(t, Sum(op, dtype, free)) for t in (a, b))
        left = self._without_pairs(first.values, second.values)
        if not free and (left[0] or left[1]):
            return False
        return self._same_parts([*left[0], *first.parts], [*left[1], *second.parts], free)

    def _op(self, t: Term) -> ops.Op:
        op = t.op if isinstance(t, Fold | Made) else ops.ADD
        return ops.ADD if op is ops.FMA and not self.exact else op

    def _gathered(self, t: Term, into: Sum) -> Sum:
        self._gather(t, into, (), z3.BoolVal(True))
        return into

    def _gather(self, t: Term, into: Sum, around: tuple[Any, ...], domain: Any) -> None:
        """Takes in what a term accumulates, at each place of a domain."""
        own = isinstance(t, Fold | Made) and self._op(t) is into.op and t.dtype == into.dtype
        if own and isinstance(t, Fold):
            self._gather(t.first, into, around, domain)
            inner, both = (*around, *t.part.vars), z3.simplify(z3.And(domain, t.part.domain))
            if into.free:
                self._gather(t.part.body, into, inner, both)
            else:
                into.parts.append(Part(inner, both, t.part.body))
        elif own and into.free and isinstance(t, Made):
            for x in self._summands(t):
                self._gather(x, into, around, domain)
        else:
            into.take(t, around, domain)

    def _summands(self, t: Made) -> tuple[Term, ...]:
        return (Made(ops.MUL, t.dtype, t.args[:2]), t.args[2]) if t.op is ops.FMA else t.args

    def _without_pairs(self, a: Sequence[Term], b: Sequence[Term]) -> tuple[list[Part], list[Part]]:
        """The single values that are not the same one for one, as parts."""
        left, other = [], list(b)
        for x in a:
            found = next((n for n, y in enumerate(other) if self.same(x, y)), None)
            if found is None:
                left.append(x)
            else:
                del other[found]
        always = z3.BoolVal(True)
        return [Part((), always, x) for x in left], [Part((), always, y) for y in other]

    # ------------------------------------------------------------------------------------------------------- parts

    def _same_parts(self, a: list[Part], b: list[Part], free: bool) -> bool:
        a, b = (list(self._alive(x)) for x in (a, b))
        if len(a) != 1 and len(b) == 1:
            a, b = b, a
        if len(a) == 1:
            return self._covers(a[0], b, free)
        if len(a) != len(b):
            return False
        for x in a:
            found = next((y for y in (b if free else b[:1]) if self._covers(x, [y], free)), None)
            if found is None:
                return False
            b = [y for y in b if y is not found]
        return True

    def _alive(self, parts: Sequence[Part]) -> Iterator[Part]:
        return (p for p in parts if self.facts.possible(p.domain))

    def _covers(self, whole: Part, parts: list[Part], free: bool) -> bool:
        """Whether parts, one after the other, are a part taken to pieces."""
        maps = []
        for p in parts:
            found = next((m for m in islice(self._maps(whole, p), GUESSES) if self._fits(whole, p, m)), None)
            if found is None:
                return False
            maps.append(found)
        ways = []
        for p, m in zip(parts, maps, strict=True):
            back = self._back(whole, p, m)
            if back is None or not self._undone(whole, p, m, back):
                return False
            ways.append(Way(p, m, tuple(back)))
        return self._once(whole, ways) and (free or self._ordered(whole, parts, maps))

    def _once(self, whole: Part, ways: Sequence[Way]) -> bool:
        """Whether a place of the whole is met by one place of one part."""
        for n, k in enumerate(whole.vars):
            digits = [self._digit(w, n) for w in ways]
            steps = {None if d is None else d[0] for d in digits}
            (step,) = steps if len(steps) == 1 else (None,)
            if step is not None and len(ways) > 1 and step <= MOST_RESTS:
                q, by_rest = self.facts.fresh("q"), _by_rest(ways, digits)
                return all(self._met(whole, by_rest.get(r, []), [(k, q * step + r)]) for r in range(step))
        return self._met(whole, ways, [])

    def _digit(self, w: Way, n: int) -> tuple[int, int] | None:
        """Factor and rest where a variable of the whole is a multiple of one of a part's, plus a number."""
        found = self.facts.coefficients(w.there[n], w.part.vars)
        factors = [] if found is None else [c for c in found[1] if c]
        if found is None or len(factors) != 1 or factors[0] < 2 or not z3.is_int_value(found[0]):
            return None
        return factors[0], found[0].as_long() % factors[0]

    def _met(self, whole: Part, ways: Sequence[Way], pairs: Sequence[tuple[Any, Any]]) -> bool:
        """Whether that holds where variables of the whole are as given."""
        met = [z3.simplify(_put(w.met(whole), pairs)) for w in ways]
        with self.facts.given(z3.simplify(_put(whole.domain, pairs))):
            return self.facts.sure(z3.PbEq([(c, 1) for c in met], 1) if met else z3.BoolVal(False))

    def _maps(self, whole: Part, p: Part) -> Iterator[tuple[Any, ...]]:
        """Guesses of where in `whole` a place of `p` is, from what both bodies read."""
        choices: list[list[Any]] = [[] for _ in whole.vars]
        pairs = list(self._places(whole.body, p.body))
        for n, k in enumerate(whole.vars):
            found = [self.facts.solved(j, i, k, whole.vars) for i, j in pairs if self._only(i, k, whole.vars)]
            choices[n] = list({g.sexpr(): g for g in found if g is not None}.values())
            if len(p.vars) == len(whole.vars):
                choices[n].append(p.vars[n])
        yield from product(*choices)

    def _places(self, a: Term, b: Term) -> Iterator[tuple[Any, Any]]:
        """Where two terms read the same array, axis by axis, as far as that doesn't depend on their own folds."""
        outside = self.facts.free(a), self.facts.free(b)
        other = leaves(b)
        for x in leaves(a):
            for y in other:
                if _alike(x, y):
                    for i, j in zip(_at_of(x), _at_of(y), strict=True):
                        if self.facts.names(i) <= outside[0] and self.facts.names(j) <= outside[1]:
                            yield i, j

    def _only(self, e: Any, v: Any, variables: Sequence[Any]) -> bool:
        """Whether a place depends on one of the variables alone."""
        found = self.facts.coefficients(e, variables)
        return found is not None and all(bool(c) == (u is v) for u, c in zip(variables, found[1], strict=True))

    def _fits(self, whole: Part, p: Part, m: Sequence[Any]) -> bool:
        """Whether a map stays in the domain and leads to the same value."""
        pairs = list(zip(whole.vars, m, strict=True))
        with self.facts.given(p.domain):
            return self.facts.sure(z3.substitute(whole.domain, *pairs)) and self.same(
                self.facts.moved(whole.body, pairs), p.body
            )

    def _back(self, whole: Part, p: Part, m: Sequence[Any]) -> list[Any] | None:
        """A guess of the place of a part that leads to a place of the whole."""
        found = []
        for v in p.vars:
            guesses = (self.facts.solved(k, e, v, p.vars) for k, e in zip(whole.vars, m, strict=True))
            guess = next((g for g in guesses if g is not None), None)
            if guess is None:
                return None
            found.append(guess)
        return found

    def _undone(self, whole: Part, p: Part, m: Sequence[Any], w: Sequence[Any]) -> bool:
        """Whether the way back from where a place leads is that place: then no two lead to one."""
        pairs = list(zip(whole.vars, m, strict=True))
        with self.facts.given(p.domain):
            return self._equal([z3.substitute(e, *pairs) for e in w], p.vars)

    def _ordered(self, whole: Part, parts: Sequence[Part], maps: Sequence[Sequence[Any]]) -> bool:
        """Whether the order of the parts and in them is that of the whole."""
        for n, (p, m) in enumerate(zip(parts, maps, strict=True)):
            for later, (q, o) in enumerate(zip(parts[n:], maps[n:], strict=True)):
                other = [z3.Int(f"{v}'") for v in q.vars]
                moved_to = [_at(e, q.vars, other) for e in o]
                first = earlier(p.vars, other) if later == 0 else z3.BoolVal(True)
                conds = (p.domain, _at(q.domain, q.vars, other), first)
                if self.facts.possible(*conds, z3.Not(earlier(m, moved_to))):
                    return False
        return True


@dataclass
class Sum:
    """What is accumulated: single values, and parts; `free` says that the order is."""

    op: ops.Op
    dtype: DType
    free: bool
    values: list[Term] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def take(self, t: Term, around: tuple[Any, ...], domain: Any) -> None:
        """Takes in a value, unless it says nothing."""
        if self.free and self._neutral(t):
            return
        if not around and z3.is_true(domain) and (self.free or not self.parts):
            self.values.append(t)
        else:
            self.parts.append(Part(around, domain, t))

    def _neutral(self, t: Term) -> bool:
        """Whether a value changes nothing; a float's zero counts as that, whatever its sign."""
        return isinstance(t, Number) and bool(t.value == neutral(self.op, self.dtype, NOWHERE).value)


@dataclass(frozen=True)
class Way:
    """A part, where each of its places is in the whole, and the way back."""

    part: Part
    there: tuple[Any, ...]
    back: tuple[Any, ...]

    def met(self, whole: Part) -> Any:
        """Whether the part has a place that is a given one of the whole."""
        conds = (k == e for k, e in zip(whole.vars, self.there, strict=True))
        return _at(z3.And(self.part.domain, *conds), self.part.vars, self.back)


MOST_RESTS = 1024
"""Multiples beyond which places aren't looked at by their rests."""


def _by_rest(ways: Sequence[Way], digits: Sequence[tuple[int, int] | None]) -> dict[int, list[Way]]:
    found: dict[int, list[Way]] = {}
    for w, d in zip(ways, digits, strict=True):
        if d is not None:
            found.setdefault(d[1], []).append(w)
    return found


def _put(e: Any, pairs: Sequence[tuple[Any, Any]]) -> Any:
    return z3.substitute(e, *pairs) if pairs else e


def earlier(a: Sequence[Any], b: Sequence[Any]) -> Any:
    """Whether one place comes before another."""
    cases = [z3.And(*(x == y for x, y in zip(a[:n], b[:n], strict=True)), a[n] < b[n]) for n in range(len(a))]
    return z3.Or(*cases)


def leaves(t: Term) -> list[Leaf | Whole]:
    """What a term reads, and the integers in it, each once."""
    seen: dict[Term, None] = {}
    todo = [t]
    while todo:
        x = todo.pop()
        if x not in seen:
            seen[x] = None
            todo.extend(below(x))
    return [x for x in seen if isinstance(x, Leaf | Whole)]


def _alike(x: Leaf | Whole, y: Leaf | Whole) -> bool:
    if isinstance(x, Leaf) and isinstance(y, Leaf):
        return x.of == y.of and len(x.at) == len(y.at)
    return isinstance(x, Whole) and isinstance(y, Whole)


def _at_of(x: Leaf | Whole) -> tuple[Any, ...]:
    return x.at if isinstance(x, Leaf) else (x.value,)


def _at(e: Any, variables: Sequence[Any], values: Sequence[Any]) -> Any:
    return z3.substitute(e, *zip(variables, values, strict=True)) if variables else e
