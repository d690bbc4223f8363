"""How bits of a term are taken: by its operator, of as few bits of what it is made of as have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gemel.semantics.symbolic.nodes import Term, Value, least

if TYPE_CHECKING:
    from gemel.semantics.symbolic.terms import Words


def _of_cat(t: Words, a: Term, lo: int, n: int) -> Value:
    parts: list[Any] = []
    at = a.w
    for width, v in zip(a.args[::2], a.args[1::2], strict=True):
        at -= width
        low, high = max(lo, at), min(lo + n, at + width)
        if low < high:
            parts += [high - low, t.ext(v, low - at, high - low)]
    return t.cat(*parts)


def _of_ext(t: Words, a: Term, lo: int, n: int) -> Value:
    return t.ext(a.args[0], a.args[1] + lo, n)


def _of_sext(t: Words, a: Term, lo: int, n: int) -> Value:
    inner = a.args[0]
    if lo + n <= inner.w:
        return t.ext(inner, lo, n)
    start = min(lo, inner.w - 1)
    return t.sext(t.ext(inner, start, inner.w - start), inner.w - start, n)


def _of_logic(t: Words, a: Term, lo: int, n: int) -> Value:
    make = {"and": t.and_, "or": t.or_, "xor": t.xor}[a.op]
    return make(n, t.ext(a.args[0], lo, n), t.ext(a.args[1], lo, n))


def _of_ite(t: Words, a: Term, lo: int, n: int) -> Value:
    return t.ite(n, a.args[0], t.ext(a.args[1], lo, n), t.ext(a.args[2], lo, n))


def _of_arithmetic(t: Words, a: Term, lo: int, n: int) -> Value:
    """Low bits of a sum or product are those of the operands."""
    w = lo + n
    if not lo:
        return _of_narrowed(t, a, n)
    factor = a.args[1]
    if a.op == "mul" and type(factor) is int:
        k = min((factor & -factor).bit_length() - 1, lo)
        if factor == 1 << k:
            return t.ext(a.args[0], lo - k, n)
        if k:
            return t.ext(t.mul(w - k, t.ext(a.args[0], 0, w - k), factor >> k), lo - k, n)
    return t.node("ext", n, a, lo)


def _of_narrowed(t: Words, a: Term, n: int) -> Value:
    """Low bits of a sum or product of extended operands are those of the operands before."""
    w = max(n, _said(t, a))
    if w == a.w or not t.narrows:
        return t.node("ext", n, a, 0)
    x, y = t.ext(a.args[0], 0, w), t.ext(a.args[1], 0, w)
    return t.ext(t.add(w, x, y) if a.op == "add" else t.mul(w, x, y), 0, n)


def _said(t: Words, a: Value) -> int:
    """How many low bits of a word at most say all of it, up to carries: more are made by extension of operands."""
    if type(a) is int:
        return 0
    if a.op not in _THROUGH:
        return least(a, a.op == "sext")
    found = t.said.get(a)
    if found is None:
        found = t.said[a] = max(_said(t, x) for x in a.args[_THROUGH[a.op] :])
    return found


_THROUGH = {"add": 0, "mul": 0, "and": 0, "or": 0, "xor": 0, "ite": 1}
"""The operators whose low bits are made of low bits of operands, with the place of the first of these."""


def _of_shl(t: Words, a: Term, lo: int, n: int) -> Value:
    if lo:
        return t.node("ext", n, a, lo)
    return t.shl(n, t.ext(a.args[0], 0, n), a.args[1], 0)


def _of_pick(t: Words, a: Term, lo: int, n: int) -> Value:
    return t.pick(n, a.args[0], tuple(t.ext(c, lo, n) for c in a.args[1:]))


SLICES = {
    "cat": _of_cat,
    "ext": _of_ext,
    "sext": _of_sext,
    "and": _of_logic,
    "or": _of_logic,
    "xor": _of_logic,
    "ite": _of_ite,
    "add": _of_arithmetic,
    "mul": _of_arithmetic,
    "shl": _of_shl,
    "pick": _of_pick,
}
"""How bits of a term are taken, by its operator."""
