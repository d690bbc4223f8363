"""Whether two words are equal: by normal form, by numbers that show they aren't, by cases, and by z3.

What the cheap means leave goes to z3 with a time limit; what that leaves is unknown, and said to be.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from gemel.semantics.symbolic.conditions import literals
from gemel.semantics.symbolic.merging import Merging
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words, operands
from gemel.semantics.symbolic.verdict import PROVED, REFUTED, UNKNOWN, Verdict
from gemel.semantics.symbolic.walk import evaluated, rebuilt, symbols, terms_of

SAMPLES = 16
"""Drawn valuations that are tried before anything costly."""

CASES, OUTER = 10, 6
"""The most conditions that are split into cases, from the oldest on and from the outermost on."""

PARTS = 3
"""How many times z3's time for a question goes to making equal parts one."""

Pair = tuple[Value, Value, int]
"""Words that are to be equal, and their width."""

Choice = Callable[[list[Value]], "Term | None"]
"""A condition in words."""


class Decider:
    """Compares the terms of a `Words`. `apps` gives functions on known words, `seconds` is z3's time for a question."""

    def __init__(self, words: Words, normal: Normal, apps: Callable[..., int], seconds: float = 10.0) -> None:
        self.words, self.normal, self.apps, self.seconds = words, normal, apps, seconds
        self.random = random.Random(1)

    def same(self, pairs: Iterable[Pair], given: Value = 1) -> Verdict:
        """Whether the words of all pairs (with their width) are equal wherever the bit `given` is set."""
        left = [(a, b, w) for a, b, w in pairs if a is not b and not (type(a) is int and a == b)]
        if not left or given == 0:
            return Verdict(PROVED, "normal form")
        shown = self._sampled(left, given, 1)  # what is wrong is mostly so for any numbers, and that costs little
        if shown is not None:
            return shown
        left = [(a, b, w) for a, b, w in left if not self.normal.same(a, b, w)]
        if not left:
            return Verdict(PROVED, "normal form")
        left = [pair for pair in left if not self._where(pair, given)]
        if not left:
            return Verdict(PROVED, "normal form where that is given")
        shown = self._sampled(left, given, SAMPLES)
        if shown is not None:
            return shown
        for how, means in (
            ("slices", self._sliced),
            ("cases", self._by_outer_cases),
            ("cases", self._by_cases),
            ("cases of slices", partial(self._sliced, deep=True)),
        ):
            left = [p for p in left if not means(p, given)]
            if not left:
                return Verdict(PROVED, how)
        return self._asked(left, given)

    def _where(self, pair: Pair, given: Value) -> bool:
        """Whether normal forms agree where what is given is known."""
        made: dict[Any, Any] = dict(literals(given))
        if not made:
            return False
        a, b = rebuilt(self.words, pair[:2], made)
        return self.normal.same(a, b, pair[2])

    # ------------------------------------------------------------------------------------------------------ by numbers

    def _sampled(self, pairs: list[Pair], given: Value, samples: int) -> Verdict | None:
        roots = [given, *(x for a, b, _ in pairs for x in (a, b))]
        free = symbols(roots)
        for n in range(samples):
            values = {t: self._draw(t.w, n) for t in free}
            found = evaluated(roots, dict(values), self.words, self.apps)
            if found[0] and any(a != b for a, b in zip(found[1::2], found[2::2], strict=True)):
                return Verdict(REFUTED, "a drawn valuation", values)
        return None

    def _draw(self, w: int, n: int) -> int:
        """A word: any, a small one, or one near the ends of its range."""
        top = (1 << w) - 1
        kind = self.random.randrange(4) if n else 0
        if kind == 1:
            return self.random.randrange(min(4, top + 1))
        if kind == 2:
            return self.random.choice((0, 1, top, top >> 1, (top >> 1) + 1, top - 1)) & top
        return self.random.getrandbits(w)

    # ------------------------------------------------------------------------------------------------------- by slices

    def _sliced(self, pair: Pair, given: Value, deep: bool = False) -> bool:
        """Symbols of which slices are used are taken apart where these begin and end: split products are one again.

        With `deep` by cases, of which some are that a slice is 0.
        """
        a, b, w = pair
        cuts: dict[Term, set[int]] = {}
        for t in terms_of([a, b]):
            if t.op == "ext" and t.args[0].op == "var":
                cuts.setdefault(t.args[0], set()).update((t.args[1], t.args[1] + t.w))
        made: dict[Term, Value] = {}
        for t, places in cuts.items():
            at = sorted(places | {0, t.w})
            parts = [
                (hi - lo, self.words.var(f"{t.args[0]}[{hi - 1}:{lo}]", hi - lo)) for lo, hi in itertools.pairwise(at)
            ]
            made[t] = self.words.cat(*[x for part in reversed(parts) for x in part])
        if not made:
            return False
        a, b, given = rebuilt(self.words, [a, b, given], made)
        return self._by_cases((a, b, w), given) if deep else self.normal.same(a, b, w)

    # ------------------------------------------------------------------------------------------------------- by cases

    def _by_outer_cases(self, pair: Pair, given: Value) -> bool:
        """Splits on what whole words hang on, then on what is left of that, until normal forms agree."""
        return self._split(self._difference(pair), self.normal(given), OUTER, _outermost)

    def _by_cases(self, pair: Pair, given: Value) -> bool:
        """Splits on the oldest conditions first."""
        return self._split(self._difference(pair), self.normal(given), CASES, _oldest)

    def _difference(self, pair: Pair) -> Value:
        a, b, w = pair
        return self.normal(self.words.sub(w, a, b))

    def _split(self, difference: Value, given: Value, depth: int, choice: Choice) -> bool:
        if given == 0 or difference == 0:
            return True
        cond = choice([difference, given]) if depth else None
        if cond is None:
            return False
        for value in (1, 0):
            x, g = rebuilt(self.words, [difference, given], {cond: value, **_implied(cond, value)})
            if not self._split(self.normal(x), self.normal(g), depth - 1, choice):
                return False
        return True

    # ------------------------------------------------------------------------------------------------------- by z3

    def _asked(self, pairs: list[Pair], given: Value) -> Verdict:
        """Asks about each pair: a while as it is, then where parts that are equal are one."""
        from gemel.semantics.symbolic.solver import ask

        merging = Merging(self.words, self.normal, self.apps, self._draw, PARTS * self.seconds)
        how, end = "z3", time.monotonic() + self.seconds
        for a, b, w in pairs:
            if self._whatever_products(a, b, w, given):
                continue
            found = ask(self.words, a, b, w, given, max(0.1, min(self.seconds / 8, end - time.monotonic())))
            if found.status == UNKNOWN:
                how, begun = "z3 part by part", time.monotonic()
                b = merging.merged(a, b)
                end += time.monotonic() - begun
                found = ask(self.words, a, b, w, given, max(0.1, end - time.monotonic()))
            if found.status != PROVED:
                return found if found.status == UNKNOWN else self._confirmed(found, pairs, given)
        return Verdict(PROVED, how)

    def _whatever_products(self, a: Value, b: Value, w: int, given: Value) -> bool:
        """Whether z3 proves it, in part of the time, with any words for the products, which are hard for it."""
        from gemel.semantics.symbolic.solver import ask

        roots = [a, b, given]
        any_word = _any_products(self.words, roots)
        if not any_word:
            return False
        a, b, given = rebuilt(self.words, roots, any_word)
        return a is b or ask(self.words, a, b, w, given, self.seconds / 8).status == PROVED

    def _confirmed(self, found: Verdict, pairs: list[Pair], given: Value) -> Verdict:
        """A difference that z3 shows, if it is one for the functions that it knows nothing of."""
        roots = [given, *(x for a, b, _ in pairs for x in (a, b))]
        values = {t: found.values.get(t, 0) for t in symbols(roots)}
        numbers = evaluated(roots, dict(values), self.words, self.apps)
        if numbers[0] and any(a != b for a, b in zip(numbers[1::2], numbers[2::2], strict=True)):
            return Verdict(REFUTED, "z3", values)
        return Verdict(UNKNOWN, "z3 shows a difference only where functions that it knows nothing of differ")


FACTOR = 4
"""The fewest bits of a factor; with fewer a product is no more than a choice."""


def _any_products(words: Words, roots: list[Value]) -> dict[Any, Any]:
    """For each product any word; of products of the same factors the narrower ones are the low bits of the widest."""
    made: dict[Any, Any] = {}
    found: dict[Any, Value] = {}
    for t in sorted((t for t in terms_of(roots) if t.op == "mul"), key=lambda t: -t.w):
        factors = frozenset(_without_zeros(x) for x in t.args)
        if all(sum(f[::2]) >= FACTOR for f in factors):
            if factors not in found:
                found[factors] = words.fresh("product", t.w)
            made[t] = words.ext(found[factors], 0, t.w)
    return made


def _without_zeros(x: Value) -> tuple[Any, ...]:
    """The parts of a word with their widths, the high ones first, from the first that isn't 0 on."""
    if type(x) is not Term:
        return (0, x)
    parts = x.args if x.op == "cat" else (x.w, x)
    while len(parts) > 2 and parts[1] == 0:
        parts = parts[2:]
    return tuple(parts)


def _oldest(roots: list[Value]) -> Term | None:
    """A condition that words hang on: the oldest one that no other condition is part of."""
    for t in terms_of(roots):
        if t.op == "ite" and type(t.args[0]) is Term:
            return _atom(t.args[0])
    return None


def _outermost(roots: list[Value]) -> Term | None:
    """A condition that the words themselves hang on, if there is one."""
    for root in roots:
        for t in (root, *operands(root)) if type(root) is Term else ():
            if type(t) is Term and t.op == "ite":
                return _atom(t.args[0])
    return None


def _atom(t: Term) -> Term:
    """A part of a condition that isn't made of conditions."""
    while t.op in ("and", "or", "xor") and t.w == 1:
        t = next(x for x in operands(t) if type(x) is Term)
    return t


def _implied(cond: Term, value: int) -> dict[Any, Any]:
    """What follows from a condition: a symbol that is a constant."""
    if value and cond.op == "eq" and type(cond.args[1]) is int and cond.args[0].op == "var":
        return {cond.args[0]: cond.args[1]}
    return {}
