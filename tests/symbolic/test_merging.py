"""Equal parts of two words made one: dividers of two kinds, one of them wrong, and drawn terms."""

from __future__ import annotations

import random
from functools import partial

import pytest

from gemel.semantics.symbolic.decide import Decider
from gemel.semantics.symbolic.merging import Merging
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.symbolic.verdict import PROVED, REFUTED
from gemel.semantics.symbolic.walk import evaluated, symbols

W = 10


def _by_difference(t: Words, a: Value, b: Value) -> tuple[Value, Value]:
    """Quotient and rest, where the sign of a difference says whether the divisor fits."""
    rest: Value = 0
    bits: list[Value] = []
    for n in reversed(range(W)):
        rest = t.cat(W, rest, 1, t.ext(a, n, 1))
        less = t.sub(W + 2, t.zext(rest, W + 1, W + 2), t.zext(b, W, W + 2))
        fits = t.xor(1, t.ext(less, W + 1, 1), 1)
        bits += [1, fits]
        rest = t.ite(W, fits, t.ext(less, 0, W), t.ext(rest, 0, W))
    return t.cat(*bits), rest


def _by_comparison(t: Words, a: Value, b: Value) -> tuple[Value, Value]:
    """Quotient and rest, where a comparison says so and the bits are added up."""
    rest: Value = 0
    quotient: Value = 0
    for n in reversed(range(W)):
        rest = t.or_(W + 1, t.mul(W + 1, t.zext(rest, W, W + 1), 2), t.zext(t.ext(a, n, 1), 1, W + 1))
        less = t.ult(W + 1, rest, t.zext(b, W, W + 1))
        taken = t.ite(W + 1, less, 0, t.zext(b, W, W + 1))
        rest = t.ext(t.sub(W + 1, rest, taken), 0, W)
        quotient = t.add(W, t.mul(W, quotient, 2), t.zext(t.xor(1, less, 1), 1, W))
    return quotient, rest


def _merging(words: Words) -> Merging:
    draw = random.Random(4)
    return Merging(words, Normal(words), lambda *_: 0, lambda w, n: draw.getrandbits(w), 60.0)


@pytest.mark.parametrize("which", [0, 1], ids=["quotient", "rest"])
def test_parts_that_are_equal_are_one(which: int) -> None:
    words = Words()
    a, b = words.var("a", W), words.var("b", W)
    wanted, found = _by_difference(words, a, b)[which], _by_comparison(words, a, b)[which]
    assert not Normal(words).same(wanted, found, W)
    assert _merging(words).merged(wanted, found) is wanted


def test_a_part_that_differs_for_one_pair_of_operands_is_another() -> None:
    words = Words()
    a, b = words.var("a", W), words.var("b", W)
    wanted, (_, found) = _by_difference(words, a, b)[1], _by_comparison(words, a, b)
    rare = words.and_(1, words.eq(W, a, 789), words.eq(W, b, 321))
    wrong = words.xor(W, found, words.zext(rare, 1, W))
    assert _merging(words).merged(wanted, wrong) is not wanted
    decided = partial(Decider(words, Normal(words), lambda *_: 0, 8.0).same)
    assert decided([(wanted, found, W)]).status == PROVED
    shown = decided([(wanted, wrong, W)])
    assert (shown.status, [shown.values[x] for x in (a, b)]) == (REFUTED, [789, 321])


@pytest.mark.parametrize("seed", range(6))
def test_a_word_keeps_its_value(seed: int) -> None:
    words, draw = Words(), random.Random(seed)
    pool: list[Value] = [words.var(f"x{n}", 4) for n in range(3)]
    for _ in range(60):
        a, b, c = (draw.choice(pool) for _ in range(3))
        make = draw.choice((words.add, words.and_, words.or_, words.xor, words.mul))
        chosen = words.ite(4, words.ult(4, a, b), b, c)
        pool.append(draw.choice((make(4, a, b), chosen, words.shl(4, a, words.ext(b, 0, 1), 1))))
    roots = [t for t in pool if type(t) is Term]
    one, other = roots[-1], roots[-2]
    merged = _merging(words).merged(one, other)
    for _ in range(40):
        values = {t: draw.getrandbits(t.w) for t in symbols([one, other])}
        assert len(set(evaluated([other, merged], values, words, lambda *_: 0))) == 1
