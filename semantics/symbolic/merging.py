"""Equal parts of two words: found by numbers, shown from the symbols up, and made one.

Circuits that compute the same mostly agree inside as well. Where a term of one has the values of a term of the other on
all drawn numbers, it is asked whether they are equal, the inner ones first. What is shown to be equal is one term from
then on, and so a question has to go down no further than to these: they are free words there, and only where that isn't
enough what they are made of is looked at, some layers of it, then all. Numbers that tell two terms apart are kept, and
others aren't asked about. After Kuehlmann and Krohm (Equivalence checking using cuts and heaps, 1997) and Mishchenko et
al. (FRAIGs, 2005), who do so with bits.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words, operands
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN
from gemel.semantics.symbolic.walk import evaluated, rebuild, rebuilt, symbols, terms_of

MOST = 10_000
"""The most terms that are gone through."""

DRAWS = 96
"""Drawn valuations that say which terms may be equal."""

LAYERS = (0, 3, 8, MOST)
"""Of what both terms have in common, so many layers are looked into, one after the other."""

EFFORT = 500_000
"""What a question may cost, as z3 counts it: the answer doesn't hang on how busy the machine is."""

CANDIDATES = 3
"""The most terms that one is compared with."""

Known = dict[Term, int]


@dataclass
class Merging:
    """Makes parts of the terms of a `Words` one; `draw` gives a number of a width for the n-th valuation.

    `seconds`, of this thread's work, are for all that is to be done.
    """

    words: Words
    normal: Normal
    apps: Callable[..., int]
    draw: Callable[[int, int], int]
    seconds: float
    terms: list[Term] = field(default_factory=list, init=False)
    told_apart: list[Known] = field(default_factory=list, init=False)

    def merged(self, a: Value, b: Value) -> Value:
        """`b`, made of parts of `a` wherever parts of it are equal to those."""
        self.terms = terms_of([a, b])
        if len(self.terms) > MOST:
            return b
        self.told_apart = []
        end = time.thread_time() + self.seconds
        new = self._remade(a, b, end)
        if type(a) is Term and type(new) is Term and new is not a and self._equal(a, new):
            new = a
        self.seconds = max(0.0, end - time.thread_time())
        return new

    def _remade(self, a: Value, b: Value, end: float) -> Value:
        """`b` with its parts, from the inner ones on, replaced by those of `a`."""
        own, kinds = dict.fromkeys(terms_of([a])), self._kinds()
        alike: dict[int, list[Term]] = {}
        for t in own:
            alike.setdefault(kinds[t], []).append(t)
        made: dict[Term, Value] = {t: t for t in own}
        for t in terms_of([b]):
            if t not in made:
                new = rebuild(self.words, t, tuple(made[x] if type(x) is Term else x for x in operands(t)))
                asked = type(new) is Term and new not in own and time.thread_time() < end
                same = self._candidates(t, alike.get(kinds[t], ())) if asked else ()
                made[t] = next((c for c in same if self._equal(c, new)), new)
        return made[b] if type(b) is Term else b

    def _kinds(self) -> Mapping[Term, int]:
        """Terms of one width that have the same values on all drawn numbers have one kind."""
        free = symbols(self.terms)
        drawn = [self._valued({t: self.draw(t.w, n) for t in free}) for n in range(DRAWS)]
        numbers: dict[tuple[int, ...], int] = {}
        return {t: numbers.setdefault((t.w, *(known[t] for known in drawn)), len(numbers)) for t in self.terms}

    def _valued(self, known: Known) -> Known:
        """All terms as numbers, where symbols are known."""
        evaluated(self.terms, known, self.words, self.apps)
        return known

    def _candidates(self, t: Term, alike: Iterable[Term]) -> Iterable[Term]:
        """Terms that nothing tells apart from one."""
        possible = (c for c in alike if all(known[c] == known[t] for known in self.told_apart))
        return itertools.islice(possible, CANDIDATES)

    def _equal(self, a: Term, b: Value) -> bool:
        """Whether two terms are equal, as far as the time for a question allows to say."""
        from gemel.semantics.symbolic.solver import ask

        if self.normal.same(a, b, a.w):
            return True
        common = set(terms_of([a])) & set(terms_of([b])) - {a, b}
        for layers in LAYERS:
            free = self._free(a, b, common, layers)
            x, y = rebuilt(self.words, [a, b], dict(free))
            answer = ask(self.words, x, y, a.w, 1, self.seconds, EFFORT)
            if answer.status == PROVED:
                return True
            if not free or answer.status == UNKNOWN:
                break
        if not free and answer.status == REFUTED:
            self.told_apart.append(self._valued({t: answer.values.get(t, 0) for t in symbols(self.terms)}))
        return False

    def _free(self, a: Term, b: Term, common: set[Term], layers: int) -> Mapping[Term, Value]:
        """Words that stand for the terms in common that are so many layers inside."""
        inside = {a: layers, b: layers}
        waiting = [a, b]
        while waiting:
            t = waiting.pop()
            left = inside[t] - (t in common)
            for x in operands(t) if left >= 0 else ():
                if type(x) is Term and inside.get(x, -2) < left:
                    inside[x] = left
                    waiting.append(x)
        ends = [t for t, left in inside.items() if t in common and not left and t.op != "var"]
        return {t: self.words.var(f"any:{t.uid}", t.w) for t in ends}
