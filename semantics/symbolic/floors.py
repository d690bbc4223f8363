"""Divisions of words with a sign by those of sizes, as circuits make them: so that all come together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gemel.semantics.symbolic import numbers
from gemel.semantics.symbolic.nodes import Value, least

if TYPE_CHECKING:
    from gemel.semantics.symbolic.terms import Words

Pair = tuple[Value, Value]
"""A quotient and a remainder."""


def unsigned(words: Words, w: int, a: Value, b: Value) -> Pair:
    """Of unsigned words; by 0 both are 0."""
    return words.divided("udiv", w, a, b), words.divided("urem", w, a, b)


def signed(words: Words, w: int, a: Value, b: Value) -> Pair:
    """Of words that hold the negatives of both too; by 0 both are 0, else the remainder has the divisor's sign."""
    if type(b) is int:
        return _by_known(words, w, a, numbers.signed(b, w))
    (minus_a, size_a), (minus_b, size_b) = (_size(words, w, x) for x in (a, b))
    quotient, rest = unsigned(words, w, size_a, size_b)
    differ, exact = words.xor(1, minus_a, minus_b), words.eq(w, rest, 0)
    negated = words.neg(w, quotient)
    crossed = words.ite(w, exact, negated, words.sub(w, negated, 1))
    size = words.ite(w, differ, words.ite(w, exact, 0, words.sub(w, size_b, rest)), rest)
    found = words.ite(w, differ, crossed, quotient), words.ite(w, minus_b, words.neg(w, size), size)
    by_0 = words.eq(w, b, 0)
    return words.ite(w, by_0, 0, found[0]), words.ite(w, by_0, 0, found[1])


def towards_zero(words: Words, op: str, w: int, a: Value, b: Value) -> Value:
    """`sdiv` or `srem`; by 0 they give 0."""
    (minus_a, size_a), (minus_b, size_b) = (_size(words, w, x) for x in (a, b))
    found = words.divided(f"u{op[1:]}", w, size_a, size_b)
    return words.ite(w, words.xor(1, minus_a, minus_b) if op == "sdiv" else minus_a, words.neg(w, found), found)


def _size(words: Words, w: int, a: Value) -> tuple[Value, Value]:
    """Whether a number is below 0, and its size."""
    negative = words.ext(a, w - 1, 1)
    n = min(w, least(a, True))
    return negative, words.zext(words.ext(words.ite(w, negative, words.neg(w, a), a), 0, n), n, w)


def _by_known(words: Words, w: int, a: Value, c: int) -> Pair:
    if c == 0:
        return 0, 0
    if c < 0:
        quotient, rest = _by_known(words, w, words.neg(w, a), -c)
        return quotient, words.neg(w, rest)
    bits = (c - 1).bit_length()
    if c == 1 << bits:
        return words.ashr(w, a, bits, w), words.zext(words.ext(a, 0, bits), bits, w) if bits else 0
    quotient = _downwards(words, w, a, c)
    rest = words.sub(w, a, words.mul(w, quotient, c))
    return quotient, words.zext(words.ext(rest, 0, bits), bits, w)


def _downwards(words: Words, w: int, a: Value, c: int) -> Value:
    """A number by a positive constant: one below 0 by what it is without its sign, inverted."""
    negative, n = words.ext(a, w - 1, 1), min(w, least(a, True)) - 1
    size = words.ext(words.ite(w, negative, words.inv(w, a), a), 0, n)
    quotient = words.zext(words.divided("udiv", n, size, c), n, w) if n else 0
    return words.ite(w, negative, words.inv(w, quotient), quotient)
