"""Normal forms: what is rewritten has the same value everywhere, and what is equal comes to the same term."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from gemel.semantics import ops
from gemel.semantics.dtypes import IntType
from gemel.semantics.ops import Op
from gemel.semantics.symbolic import meaning
from gemel.semantics.symbolic.normal import Normal
from gemel.semantics.symbolic.numbers import signed
from gemel.semantics.symbolic.terms import Term, Value, Words
from gemel.semantics.symbolic.walk import evaluated, symbols


def _function(name: str, w: int, *args: int) -> int:
    return hash((name, *args)) & ((1 << w) - 1)


class _Drawn:
    """Terms of random operators on a few symbols."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words = Words(narrows=self.random.random() < 0.7)
        self.pool: list[tuple[Value, int]] = [(self.words.var(f"x{n}", w), w) for n, w in enumerate((1, 1, 2, 3, 5, 8))]
        for _ in range(self.random.randrange(3, 25)):
            self.pool.append(self._grown())

    def _word(self, w: int) -> Value:
        r = self.random
        if r.random() < 0.2:
            return r.choice((0, 1, (1 << w) - 1, r.getrandbits(w))) & ((1 << w) - 1)
        v, own = r.choice(self.pool[-8:] if r.random() < 0.7 else self.pool)
        if own > w:
            return self.words.ext(v, r.randrange(own - w + 1), w)
        return self.words.resized(v, own, w, r.random() < 0.5)

    def _grown(self) -> tuple[Value, int]:
        r, t = self.random, self.words
        w = r.choice((1, 1, 2, 3, 4, 5, 8, 9, 12))
        a, b = self._word(w), self._word(w)
        kind = r.randrange(14)
        match kind:
            case 0 | 1:
                return t.add(w, a, b), w
            case 2:
                return t.mul(w, a, b), w
            case 3:
                return t.sub(w, a, b), w
            case 4:
                return r.choice((t.and_, t.or_, t.xor))(w, a, b), w
            case 5 | 6:
                return t.ite(w, self._word(1), a, b), w
            case 7 | 8:
                return r.choice((t.eq, t.ult, t.slt))(w, a, b), 1
            case 9:
                parts = [(n, self._word(n)) for n in (r.randrange(1, 4) for _ in range(r.randrange(1, 4)))]
                return t.cat(*[x for part in parts for x in part]), sum(n for n, _ in parts)
            case 10:
                n = r.randrange(1, 4)
                return r.choice((t.shl, t.lshr, t.ashr))(w, a, self._word(n), n), w
            case 11:
                return t.divided(r.choice(("udiv", "urem", "sdiv", "srem")), w, a, b), w
            case 12:
                n = r.randrange(1, 3)
                return t.pick(w, self._word(n), tuple(self._word(w) for _ in range(r.randrange(1, (1 << n) + 1)))), w
            case _:
                return t.app("f", w, a, b), w


@pytest.mark.parametrize("block", range(4))
def test_a_normal_form_has_the_value_of_its_term(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemel.semantics.symbolic.normal.MOST", (2, 64)[block % 2])
    for seed in range(block * 250, block * 250 + 250):
        drawn = _Drawn(seed)
        normal = Normal(drawn.words)
        roots = [v for v, _ in drawn.pool if type(v) is Term]
        forms = [normal(t) for t in roots]
        free = symbols([*roots, *forms])
        for n in range(12):
            values = {t: drawn.random.choice((0, -1, drawn.random.getrandbits(t.w))) & ((1 << t.w) - 1) for t in free}
            wanted = evaluated(roots, dict(values), drawn.words, _function)
            found = evaluated(forms, dict(values), drawn.words, _function)
            assert found == wanted, (
                seed,
                n,
                [str(t)[:200] for t, a, b in zip(roots, wanted, found, strict=True) if a != b][:1],
            )


def _comparisons(t: Words, a: Value, b: Value) -> list[tuple[Value, Value, bool]]:
    """Pairs of conditions on words of 8 bits, and whether they are the same."""
    wide_a, wide_b = t.zext(a, 8, 20), t.zext(b, 8, 20)
    low, bit = t.ext(a, 0, 3), t.ext(a, 7, 1)
    three = t.cat(3, low, 1, bit)
    return [
        (t.ult(8, a, b), t.ult(20, wide_a, wide_b), True),
        (t.ult(20, wide_a, wide_b), t.ext(t.sub(20, wide_a, wide_b), 19, 1), True),
        (t.ult(20, t.add(20, wide_a, 3), t.add(20, wide_b, 3)), t.ult(8, a, b), True),
        (t.ult(8, t.add(8, a, 3), t.add(8, b, 3)), t.ult(8, a, b), False),
        (t.ult(8, a, b), t.slt(8, a, b), False),
        (t.ult(8, a, b), t.xor(1, t.ult(8, b, a), 1), False),
        (t.eq(20, t.mul(20, wide_a, 4), t.mul(20, wide_b, 4)), t.eq(8, a, b), True),
        (t.eq(8, t.mul(8, a, 4), t.mul(8, b, 4)), t.eq(8, a, b), False),
        (t.eq(8, t.mul(8, a, 4), t.mul(8, b, 4)), t.eq(6, t.ext(a, 0, 6), t.ext(b, 0, 6)), True),
        (t.eq(4, three, 5), t.and_(1, t.eq(3, low, 2), bit), True),
        (t.eq(4, three, 5), t.and_(1, t.eq(3, low, 3), bit), False),
    ]


@pytest.mark.parametrize("which", range(11))
def test_conditions_come_together_where_they_are_one(which: int) -> None:
    words = Words()
    one, other, same = _comparisons(words, words.var("a", 8), words.var("b", 8))[which]
    normal = Normal(words)
    assert (normal(one) is normal(other)) == same


def test_conjunctions_come_together_in_any_order() -> None:
    words = Words()
    normal = Normal(words)
    a, b, c = (words.var(n, 1) for n in "abc")
    both: Callable[..., Value] = lambda x, y: words.and_(1, x, y)  # noqa: E731
    inv: Callable[[Value], Value] = lambda x: words.xor(1, x, 1)  # noqa: E731
    assert normal(both(a, both(b, c))) is normal(both(both(c, a), b))
    assert normal(inv(words.or_(1, a, inv(b)))) is normal(both(b, inv(a)))
    assert normal(both(both(a, b), inv(a))) == 0
    assert normal(both(a, b)) is not normal(both(a, c))


def test_a_word_of_copies_is_one_however_it_is_joined() -> None:
    words = Words()
    normal = Normal(words)
    c, a, b = words.var("c", 1), words.var("a", 4), words.var("b", 4)
    pair, pairs = words.sext(c, 1, 2), words.cat(2, words.sext(c, 1, 2), 2, words.sext(c, 1, 2))
    assert pairs is words.sext(c, 1, 4)
    assert words.cat(2, words.ext(a, 0, 2), 2, words.ext(a, 0, 2)).op == "cat"
    mask = words.cat(1, c, 2, pair, 1, c)
    chosen = words.or_(4, words.and_(4, a, mask), words.and_(4, b, words.inv(4, mask)))
    assert normal(chosen) is normal(words.ite(4, c, a, b))
    assert normal(chosen) is not normal(words.ite(4, c, b, a))


def test_large_products_are_kept_and_come_together() -> None:
    """Each turn multiplies the sum's products by as many: written out, they would have no end."""
    words = Words()
    normal = Normal(words)
    first: Value = 0
    for n in range(9):
        first = words.add(32, first, words.var(f"x{n}", 32))
    total, other, low = first, first, words.ext(first, 0, 20)
    for n in range(40):
        y = words.var(f"y{n}", 32)
        total = words.add(32, words.mul(32, total, first), y)
        other = words.add(32, y, words.mul(32, first, other))
    assert normal.same(total, other, 32)
    assert not normal.same(total, words.mul(32, other, 3), 32)
    assert normal.same(words.mul(20, low, low), words.ext(words.mul(32, first, first), 0, 20), 20)


def test_what_isnt_all_of_a_sum_stays_a_slice_of_it() -> None:
    words = Words()
    a, b = words.var("a", 32), words.var("b", 32)
    wide = words.add(40, words.sext(a, 32, 40), words.sext(b, 32, 40))
    whole = words.add(32, a, b)
    assert words.ext(wide, 0, 32) is whole
    assert words.ext(wide, 0, 30).args == (whole, 0)
    assert words.cat(30, words.ext(whole, 0, 30), 2, 0) is words.mul(32, whole, 4)


@pytest.mark.parametrize("divisor", [None, *range(-8, 8)])
@pytest.mark.parametrize("op", [ops.FLOORDIV, ops.MOD], ids=["quotient", "remainder"])
def test_divisions_that_floor_are_python_s(op: Op, divisor: int | None) -> None:
    words = Words()
    a, b = words.var("a", 4), words.var("b", 4) if divisor is None else divisor & 15
    found = meaning.apply(words, op, IntType(5, True), [(a, IntType(4, True)), (b, IntType(4, True))])
    normal = Normal(words)(found)
    for x in range(16):
        for y in range(16) if divisor is None else [divisor & 15]:
            n, d = signed(x, 4), signed(y, 4)
            wanted = (n // d if op is ops.FLOORDIV else n % d) & 31 if d else 0
            known = {a: x} | ({b: y} if isinstance(b, Term) else {})
            assert evaluated([found, normal], known, words, _function) == [wanted] * 2


@pytest.mark.parametrize("off", [0, 1, -1])
def test_products_with_a_reciprocal_are_quotients_where_they_are(off: int) -> None:
    words, together = Words(), 0
    x = words.var("x", 6)
    for c in range(3, 40):
        scale = 6 + (c - 1).bit_length()
        product = words.mul(16, words.zext(x, 6, 16), -(-(1 << scale) // c) + off)
        quotient = words.resized(words.divided("udiv", 6, x, c), 6, 16 - scale, False)
        high = words.ext(product, scale, 16 - scale)
        normal = Normal(words)
        together += normal(high) is normal(quotient)
        for n in range(64):
            a, b = evaluated([high, normal(high)], {x: n}, words, _function)
            assert a == b
    assert together >= (0 if off else 30)


def test_a_signed_word_is_the_sum_of_its_parts() -> None:
    """So that a signed product in parts is one again, whatever the widths."""
    words = Words()
    normal = Normal(words)
    a, high, low = words.var("a", 8), words.var("high", 10), words.var("low", 11)
    whole = words.mul(29, words.zext(a, 8, 29), words.sext(words.cat(10, high, 11, low), 21, 29))
    upper = words.mul(18, words.zext(a, 8, 18), words.sext(high, 10, 18))
    lower = words.mul(19, words.zext(a, 8, 19), words.zext(low, 11, 19))
    parts = words.add(29, words.cat(18, upper, 11, 0), words.zext(lower, 19, 29))
    assert normal.same(whole, parts, 29)
    assert normal.same(
        words.sext(words.cat(3, 5, 2, words.ext(low, 0, 2)), 5, 9),
        words.add(9, words.zext(words.ext(low, 0, 2), 2, 9), 500),
        9,
    )
