"""The normal form of conditions: comparisons are signs and zeros of differences, conjunctions are lists in order.

A rule gets the normal forms and a term whose operands are in normal form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gemel.semantics.symbolic.bounds import Form
from gemel.semantics.symbolic.numbers import signed
from gemel.semantics.symbolic.terms import Term, Value, operands
from gemel.semantics.symbolic.walk import width

if TYPE_CHECKING:
    from gemel.semantics.symbolic.normal import Normal


def _comparison(normal: Normal, t: Term) -> Value:
    """Whether a number is less than another: whether their difference is below 0."""
    w = width(t.args) + 1
    a, b = (normal.words.resized(x, w - 1, w, t.op == "slt") for x in t.args)
    return negative(normal, _whole(normal.form(normal.words.sub(w, a, b), w), w), w)


def _whole(form: Form, w: int) -> Form:
    """A polynomial modulo 2**w with coefficients around 0."""
    return {m: signed(c, w) for m, c in form.items()}


def negative(normal: Normal, form: Form, w: int) -> Value:
    """Whether a sum, which modulo 2**w is a number of `w` bits, is below 0: its sign, in as few bits as hold it.

    Of the sum and the one that is below 0 where it isn't, the one whose first coefficient is positive.
    """
    inverted = _first(form) < 0
    if inverted:
        form = {m: -c for m, c in form.items()}
        form[()] = form.get((), 0) - 1
    least, most = normal.bounds.of_form(form.items())
    if least < -(1 << (w - 1)) or most >= 1 << (w - 1):
        found = _sign(normal, form, w)
    elif least >= 0 or most < 0:
        found = int(most < 0)
    elif least == -1:
        found = _zero(normal, _sum(form, 1, w), w)
    elif most == 0:
        found = normal.words.xor(1, _zero(normal, form, w), 1)
    else:
        found = _sign(normal, form, max(most.bit_length(), (-least - 1).bit_length()) + 1)
    return normal.words.xor(1, found, 1) if inverted else found


def _sum(form: Form, n: int, w: int) -> Form:
    """A sum and a number modulo 2**w."""
    made = {m: c & ((1 << w) - 1) for m, c in {**form, (): form.get((), 0) + n}.items()}
    return {m: c for m, c in made.items() if c}


def _first(form: Form) -> int:
    return next((c for m, c in form.items() if m), 0)


def _sign(normal: Normal, form: Form, w: int) -> Value:
    return normal.words.ext(normal.term(normal.settled(form, w), w), w - 1, 1)


# ------------------------------------------------------------------------------------------------------------ equations


def _equation(normal: Normal, t: Term) -> Value:
    """Whether words are the same: whether their difference is 0."""
    a, b = t.args
    w = width(t.args)
    difference = normal.words.sub(w, a, b)
    if type(difference) is int:
        return int(difference == 0)
    return _zero(normal, normal.form(difference, w), w)


def _zero(normal: Normal, form: Form, w: int) -> Value:
    """Whether a sum is 0 modulo 2**w: part by part, where its lowest part says what it is to be alone."""
    parts: list[Value] = []
    while form and parts[-1:] != [0]:
        apart = _lowest(normal, form, w)
        if apart is None:
            parts.append(_rest(normal, form, w))
            break
        part, form = apart
        parts.append(part)
        form = {m: c & ((1 << w) - 1) for m, c in form.items() if c & ((1 << w) - 1)}
    return _joined(normal, parts)


def _lowest(normal: Normal, form: Form, w: int) -> tuple[Value, Form] | None:
    """What the lowest bits of a sum ask for, and the sum without them; None where they are no word of their own.

    With 2**z * a + k in the low bits, which no other product touches, a is known, and so is what is carried on.
    """
    lows = sorted((_zeros(c), n) for n, (m, c) in enumerate(form.items()) if m)
    if not lows:
        return 0, {}
    z, at = lows[0]
    end = lows[1][0] if len(lows) > 1 else w
    k = form.get((), 0) & ((1 << end) - 1)
    if k & ((1 << z) - 1):
        return 0, {}
    mono, c = list(form.items())[at]
    atom, kind = mono[0]
    if len(mono) > 1 or kind != "u" or len(lows) == 1 or normal.bounds.unsigned(atom)[1] << z >= 1 << end:
        return None
    rest = {m: x for m, x in form.items() if m != mono}
    rest[()] = rest.get((), 0) - k
    if c == 1 << z:
        wanted = -k & ((1 << end) - 1)
        rest[()] += (1 << end) if k else 0
    elif c == (1 << w) - (1 << z):
        wanted = k
    else:
        return None
    if wanted >> z >= 1 << atom.w:
        return 0, {}
    return normal(normal.words.eq(atom.w, atom, wanted >> z)), rest


def _zeros(c: int) -> int:
    return (c & -c).bit_length() - 1


def _rest(normal: Normal, form: Form, w: int) -> Value:
    """Whether a sum is 0, in as few bits as say so, with one of its two signs."""
    shift = min(map(_zeros, form.values()))
    form, w = _whole({m: c >> shift for m, c in form.items()}, w - shift), w - shift
    least, most = normal.bounds.of_form(form.items())
    w = min(w, max(most, -least, 1).bit_length())
    if _first(form) < 0:
        form = {m: -c for m, c in form.items()}
    made = normal.term(normal.settled(form, w), w)
    if type(made) is Term and made.op == "poly":
        return normal.words.node("eq", 1, made, 0)
    if type(made) is Term and made.op == "ite" and made.w == w and normal(normal.words.add(w, *made.args[1:])) == 0:
        return normal(normal.words.eq(w, made.args[1], 0))  # a number or its negative
    return normal.words.eq(w, made, 0)


# -------------------------------------------------------------------------------------------------------- conjunctions


def _conjunction(normal: Normal, t: Term) -> Value:
    return _joined(normal, list(_parts(t))) if t.w == 1 else t


def _disjunction(normal: Normal, t: Term) -> Value:
    """A bit is set unless both others aren't."""
    if t.w > 1:
        return t
    a, b = (normal.words.xor(1, x, 1) for x in operands(t))
    return normal.words.xor(1, normal(normal.words.and_(1, a, b)), 1)


def _parts(t: Value) -> Iterator[Value]:
    stack = [t]
    while stack:
        x = stack.pop()
        if type(x) is Term and x.op == "and" and x.w == 1:
            stack += operands(x)
        else:
            yield x


def _joined(normal: Normal, parts: list[Value]) -> Value:
    """The conjunction of bits, in the order in which they were made."""
    flat = {x for p in parts for x in _parts(p)} - {1}
    if 0 in flat or any(normal.words.xor(1, x, 1) in flat for x in flat):
        return 0
    return normal.words.all_of(sorted(flat, key=lambda x: x.uid))


def literals(given: Value) -> Iterator[tuple[Term, int]]:
    """The conditions that a bit which is set is made of, each with its value."""
    if type(given) is not Term:
        return
    if given.op == "xor" and given.args[1] == 1:
        yield given.args[0], 0
    elif given.op == "and":
        for part in given.args:
            yield from literals(part)
    else:
        yield given, 1


RULES: dict[str, Callable[[Normal, Term], Value]] = {
    "eq": _equation,
    "ult": _comparison,
    "slt": _comparison,
    "and": _conjunction,
    "or": _disjunction,
}
"""By operator: the normal form of a condition whose operands are in normal form."""
