"""Dividers: long division, proved row by row.

The bits of a quotient from the highest on are the rows. A row's bit is the sign of a word, the next partial remainder;
one below 0 stands for itself plus the divisor, as rows that don't restore leave it. What is shown of each row, with any
partial remainder that stands for `p` in 0 .. divisor - 1 and any bit of the dividend: the next one stands for
`2 * p + bit - q * divisor`, in that range again. As `p` is 0 at first, the quotient and the last `p` are what they are
to be. Rows that are one and the same term are asked about once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gemel.semantics.symbolic.solver import ask
from gemel.semantics.symbolic.terms import Term, Value, Words, operands
from gemel.semantics.symbolic.verdict import PROVED, UNKNOWN, Verdict
from gemel.semantics.symbolic.walk import rebuilt, symbols, terms_of

ONCE = "a bit of the quotient is no sign of a partial remainder"


def divides(words: Words, operands: Mapping[str, Term], results: Mapping[str, Value], seconds: float) -> Verdict:
    """Whether words are the quotient and remainder of unsigned words wherever the divisor isn't 0.

    What can't be shown is unknown: a row may be wrong where no partial remainder ever comes to it.
    """
    rows = _Rows(words, operands["dividend"], operands["divisor"], _lowest(results.values()))
    for k in reversed(range(operands["dividend"].w)):
        problem = rows.take(words.ext(results["quotient"], k, 1), k, seconds)
        if problem:
            return Verdict(UNKNOWN, f"row {k}: {problem}")
    problem = rows.ends(results["remainder"], seconds)
    return Verdict(UNKNOWN, f"remainder: {problem}") if problem else Verdict(PROVED, "induction over rows")


@dataclass(frozen=True)
class _Rest:
    """A partial remainder: the word that has it from bit `lo` on, or none where it is 0."""

    word: Term | None = None
    lo: int = 0


class _Rows:
    """The rows of a division, each taken on from the one before."""

    def __init__(self, words: Words, dividend: Term, divisor: Term, lowest: Mapping[Term, int]) -> None:
        self.words, self.dividend, self.divisor, self.lowest = words, dividend, divisor, lowest
        self.bit = words.fresh("bit", 1)
        self.rest = _Rest()
        self.low: Value = 0
        self.shown: set[tuple[Value, ...]] = set()

    def take(self, q: Value, k: int, seconds: float) -> str:
        """Goes on by a row, whose bit of the quotient is `q` and whose bit of the dividend is at `k`; "" or why not."""
        word = _signed_by(q)
        if word is None:
            return ONCE
        rest = _Rest(word, self.lowest.get(word, 0))
        before, made = self._abstract()
        made[self.words.ext(self.dividend, k, 1)] = self.bit
        (row,) = rebuilt(self.words, [word], made)
        problem = self._shows(before, row, rest.lo, seconds)
        self.rest = rest
        return problem

    def _abstract(self) -> tuple[Value, dict[Any, Any]]:
        """Any partial remainder in place of what there is, and what is to be replaced for it."""
        word, lo = self.rest.word, self.rest.lo
        if word is None:
            return 0, {}
        rest = self.words.var(f"rest:{word.w - lo}", word.w - lo)
        self.low = self.words.var(f"low:{lo}", lo)
        return rest, {word: self.words.cat(rest.w, rest, lo, self.low)}

    def _shows(self, before: Value, row: Value, lo: int, seconds: float) -> str:
        known = before, row, lo
        if known in self.shown:
            return ""
        problem = self._asked(before, row, lo, seconds)
        if not problem:
            self.shown.add(known)
        return problem

    def _asked(self, before: Value, row: Term, lo: int, seconds: float) -> str:
        words = self.words
        if self._strange([row], before):
            return "it depends on more than the row before"
        after = words.ext(row, lo, row.w - lo)
        w = max(self.divisor.w, row.w - lo, before.w if type(before) is Term else 0) + 3
        p, following = self._meant(before, w), self._meant(after, w)
        divisor = words.zext(self.divisor, self.divisor.w, w)
        taken = words.ite(w, words.ext(row, row.w - 1, 1), 0, divisor)
        wanted = words.sub(w, words.add(w, words.mul(w, p, 2), words.zext(self.bit, 1, w)), taken)
        found = ask(words, following, wanted, w, self._ranged(p, w), seconds)
        if found.status == PROVED:
            found = ask(words, self._ranged(wanted, w), 1, 1, self._ranged(p, w), seconds)
        return "" if found.status == PROVED else found.how

    def _meant(self, rest: Value, w: int) -> Value:
        """The number that a partial remainder stands for."""
        words = self.words
        if type(rest) is int:
            return rest
        wide = words.sext(rest, rest.w, w)
        negative = words.ext(rest, rest.w - 1, 1)
        return words.add(w, wide, words.ite(w, negative, words.zext(self.divisor, self.divisor.w, w), 0))

    def _ranged(self, p: Value, w: int) -> Value:
        """Whether a number is in 0 .. divisor - 1."""
        return self.words.ult(w, p, self.words.zext(self.divisor, self.divisor.w, w))

    def _strange(self, roots: list[Value], before: Value) -> list[Term]:
        """Symbols that a row has no business with."""
        own = {self.bit, self.divisor, before, self.low}
        return [t for t in symbols(roots) if t not in own]

    def ends(self, remainder: Value, seconds: float) -> str:
        """Whether a word is the last partial remainder's number; "" or why not."""
        before, made = self._abstract()
        (found,) = rebuilt(self.words, [remainder], made)
        if self._strange([found], before):
            return "it depends on more than the last row"
        w = self.divisor.w
        wide = max(w, self.rest.word.w if self.rest.word else 0) + 3
        p = self._meant(before, wide)
        answer = ask(self.words, found, self.words.ext(p, 0, w), w, self._ranged(p, wide), seconds)
        return "" if answer.status == PROVED else answer.how


def _lowest(roots: Iterable[Value]) -> dict[Term, int]:
    """The lowest bit that terms use of each word below them."""
    found: dict[Term, int] = {}
    for t in terms_of(roots):
        for x in operands(t):
            if type(x) is Term:
                found[x] = min(t.args[1] if t.op == "ext" else 0, found.get(x, x.w))
    return found


def _signed_by(q: Value) -> Term | None:
    """The word that isn't negative where a bit is set."""
    if type(q) is Term and q.op == "xor" and q.args[1] == 1:
        sign: Term = q.args[0]
        if sign.op == "ext" and sign.args[1] == sign.args[0].w - 1:
            word: Term = sign.args[0]
            return word
    return None
