"""The numbers that a word may stand for, from its operators alone: whether sums and products lose a carry."""

from __future__ import annotations

from collections.abc import Iterable

from gemel.semantics.symbolic.numbers import signed
from gemel.semantics.symbolic.terms import Term, Value, operands
from gemel.semantics.symbolic.walk import postorder

Range = tuple[int, int]

Mono = tuple[tuple[Term, str], ...]
Form = dict[Mono, int]
"""A polynomial: products of the numbers that words stand for, unsigned or signed, each with its coefficient."""


class Bounds:
    """The least and the most of words as unsigned and as signed numbers, each found once."""

    def __init__(self) -> None:
        self.made: dict[Term, tuple[Range, Range]] = {}

    def unsigned(self, v: Value) -> Range:
        """Of a word as an unsigned number."""
        return (v, v) if type(v) is int else self._of(v)[0]

    def signed(self, v: Value, w: int) -> Range:
        """Of a word as a signed number."""
        return (signed(v, w),) * 2 if type(v) is int else self._of(v)[1]

    def holds_sum(self, t: Term, kind: str) -> bool:
        """Whether a sum or product is that of its operands' numbers: no carry is lost."""
        self._of(t)
        lo, hi = self._exact(t, kind)
        return -(1 << (t.w - 1)) <= lo and hi < 1 << (t.w - 1) if kind == "s" else lo >= 0 and hi < 1 << t.w

    def holds_poly(self, t: Term, kind: str) -> bool:
        """Whether a polynomial's number is that of its products with coefficients of two's complement."""
        lo, hi = self.of_form([(m, signed(c, t.w)) for m, c in t.args])
        return -(1 << (t.w - 1)) <= lo and hi < 1 << (t.w - 1) if kind == "s" else lo >= 0 and hi < 1 << t.w

    def of_form(self, form: Iterable[tuple[Mono, int]]) -> Range:
        """The numbers of a sum of products, each with a whole coefficient."""
        lo = hi = 0
        for mono, factor in form:
            corners = [factor] * 2
            for atom, k in mono:
                least, most = self.unsigned(atom) if k == "u" else self.signed(atom, atom.w)
                products = [c * x for c in corners for x in (least, most)]
                corners = [min(products), max(products)]
            lo, hi = lo + corners[0], hi + corners[1]
        return lo, hi

    def _of(self, t: Term) -> tuple[Range, Range]:
        for x in postorder([t], self.made.__contains__):
            self.made[x] = self._made(x)
        return self.made[t]

    def _exact(self, t: Term, kind: str) -> Range:
        """The numbers of a sum or product if no carry were lost."""
        (a, b), (c, d) = (self.unsigned(x) if kind == "u" else self.signed(x, t.w) for x in t.args)
        if t.op == "add":
            return a + c, b + d
        corners = (a * c, a * d, b * c, b * d)
        return min(corners), max(corners)

    def _made(self, t: Term) -> tuple[Range, Range]:
        w = t.w
        match t.op:
            case "add" | "mul" | "times":
                return self._arithmetic(t)
            case "sext":
                lo, hi = self.made[t.args[0]][1]
                return ((lo, hi) if lo >= 0 else (0, (1 << w) - 1)), (lo, hi)
            case "poly":
                return self._polynomial(t)
            case "cat":
                return _both(self._joined(t), w)
            case "ite":
                arms = t.args[1:]
                size = self._size(t)
                if size is not None:
                    return _both((0, size), w)
                u, s = [self.unsigned(x) for x in arms], [self.signed(x, w) for x in arms]
                return (min(u)[0], max(x[1] for x in u)), (min(s)[0], max(x[1] for x in s))
            case "and":
                return _both((0, min(self.unsigned(x)[1] for x in operands(t))), w)
            case "lshr":
                return _both((0, self.unsigned(t.args[0])[1]), w)
            case "udiv" | "urem":
                return _both((0, self._divided(t)), w)
            case "ext" if t.args[1] == 0:
                return _both((0, min(self.unsigned(t.args[0])[1], (1 << w) - 1)), w)
        return _both((0, (1 << w) - 1), w)

    def _arithmetic(self, t: Term) -> tuple[Range, Range]:
        found = []
        for kind, least, most in (("u", 0, 1 << t.w), ("s", -(1 << (t.w - 1)), 1 << (t.w - 1))):
            lo, hi = self._exact(t, kind)
            found.append((lo, hi) if least <= lo and hi < most else (least, most - 1))
        return found[0], found[1]

    def _polynomial(self, t: Term) -> tuple[Range, Range]:
        lo, hi = self.of_form([(m, signed(c, t.w)) for m, c in t.args])
        half, size = 1 << (t.w - 1), 1 << t.w
        return (
            (lo, hi) if lo >= 0 and hi < size else (0, size - 1),
            (lo, hi) if -half <= lo and hi < half else (-half, half - 1),
        )

    def _divided(self, t: Term) -> int:
        """The largest quotient or remainder; by 0 both are 0."""
        (_, top), (least, most) = (self.unsigned(x) for x in t.args)
        return top // max(1, least) if t.op == "udiv" else min(top, max(0, most - 1))

    def _size(self, t: Term) -> int | None:
        """The most of a choice of a sum where it isn't below 0, else of it with all bits inverted; None of others."""
        sign, below, above = t.args
        if sign.op != "ext" or any(type(x) is not Term or x.op != "poly" for x in (sign.args[0], below, above)):
            return None
        number = sign.args[0]
        form, inverted, plain = ({m: signed(c, x.w) for m, c in x.args} for x in (number, below, above))
        other = {m: -c for m, c in form.items()}
        other[()] = other.get((), 0) - 1
        if sign.args[1] != number.w - 1 or plain != form or inverted != {m: c for m, c in other.items() if c}:
            return None
        lo, hi = self.of_form(form.items())
        most = max(hi, -lo - 1)
        return most if most < 1 << min(t.w, number.w - 1) else None

    def _joined(self, t: Term) -> Range:
        lo = hi = 0
        for n, v in zip(t.args[::2], t.args[1::2], strict=True):
            a, b = self.unsigned(v)
            lo, hi = lo << n | a, hi << n | b
        return lo, hi


def _both(unsigned: Range, w: int) -> tuple[Range, Range]:
    """A range as unsigned and as signed numbers."""
    return unsigned, unsigned if unsigned[1] < 1 << (w - 1) else (-(1 << (w - 1)), (1 << (w - 1)) - 1)
