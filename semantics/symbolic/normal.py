"""The normal form of terms: arithmetic is a polynomial, with whole coefficients modulo 2**w, over what isn't.

A polynomial's variables are the numbers that words stand for, unsigned (`u`) or signed (`s`). So an extended sum is the
sum of the extended where no carry is lost, a concatenation is a sum, and a product split in parts is the product. What
isn't arithmetic keeps its operator, on operands in normal form.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from math import gcd
from typing import Any, TypeVar

from gemel.semantics.symbolic import conditions
from gemel.semantics.symbolic.bounds import Bounds, Form, Mono
from gemel.semantics.symbolic.numbers import signed
from gemel.semantics.symbolic.terms import Term, Value, Words, operands
from gemel.semantics.symbolic.walk import postorder, rebuild

K = TypeVar("K")

MOST = 64
"""The most products that a product of polynomials is written out to; a larger one keeps its operands."""

ARITHMETIC = ("add", "mul", "cat", "poly")


def _zeros(n: int, w: int) -> int:
    """How many low bits of a number are 0, at most `w`."""
    return min((n & -n).bit_length() - 1, w) if n else w


class Normal:
    """Brings the terms of a `Words` to their normal form, each once."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.bounds = Bounds()
        self.made: dict[Term, Value] = {}
        self.forms: dict[tuple[Term, str, int], Form] = {}
        self.lows: dict[tuple[Term, int], Value] = {}
        self.sizes = [0, 0, 0]
        """The sizes of these at the last assumption."""

    def __call__(self, v: Value) -> Value:
        """The normal form of a value."""
        if type(v) is not Term:
            return v
        for t in postorder([v], self.made.__contains__, self._below):
            self.made[t] = self._made(t)
            normal = self.made[t]
            if type(normal) is Term:
                self.made.setdefault(normal, normal)
        return self.made[v]

    def assume(self, bit: Value, value: int) -> None:
        """Takes a bit as known from now on where terms are made or brought to normal form."""
        known = [pair for v in (self(bit), bit) for pair in self.words.assume(v, value)]
        self._forget({t for t, _ in known})
        self.made.update(known)
        self.sizes = [len(self.made), len(self.forms), len(self.lows)]

    def _forget(self, hang: set[Term]) -> None:
        """Forgets the normal forms that were found since the last assumption of terms that hang on some."""
        for t in _since(self.made, self.sizes[0]):
            if t not in hang and (self.made[t] in hang or not hang.isdisjoint(operands(t))):
                hang.add(t)
        for t in hang:
            self.made.pop(t, None)
        for key in _since(self.forms, self.sizes[1]):
            if key[0] in hang or any(atom in hang for mono in self.forms[key] for atom, _ in mono):
                del self.forms[key]
        for low in _since(self.lows, self.sizes[2]):
            if low[0] in hang or self.lows[low] in hang:
                del self.lows[low]

    def same(self, a: Value, b: Value, w: int) -> bool:
        """Whether two words have one normal form."""
        return a is b or self(self.words.sub(w, a, b)) == 0

    def _below(self, t: Term) -> list[Value]:
        return list(self._leaves(t)) if self._sums(t) else list(operands(t))

    @staticmethod
    def _sums(t: Term) -> bool:
        return t.op in ARITHMETIC or (t.op == "xor" and t.args[1] == (1 << t.w) - 1)

    def _leaves(self, t: Term) -> Iterator[Term]:
        """What a sum is made of that is no sum itself."""
        seen, stack = {t}, [t]
        while stack:
            for x in operands(stack.pop()):
                if type(x) is Term and x not in seen:
                    seen.add(x)
                    if self._sums(x) or x.op == "sext":
                        stack.append(x)
                    if not self._sums(x):
                        yield x

    def _made(self, t: Term) -> Value:
        if t.op == "var":
            return t
        if self._sums(t):
            return self.term(self.form(t, t.w), t.w)
        args = tuple(self.made[x] if type(x) is Term else x for x in operands(t))
        made = self._divided(t, args) if t.op in ("udiv", "urem") else rebuild(self.words, t, args)
        if type(made) is Term and made.op == "ext":
            return self._slice(made)
        rule = conditions.RULES.get(made.op) if type(made) is Term else None
        if rule is not None:
            return rule(self, made)
        if type(made) is Term and made is not t and self._sums(made):
            return self.term(self.form(made, made.w), made.w)
        if type(made) is Term and made.op == "ite":
            cond, a, b = made.args
            return self.words.ite(made.w, cond, self._where(a, cond, 1), self._where(b, cond, 2))
        return made

    def _where(self, v: Value, cond: Term, arm: int) -> Value:
        """A sum where a condition chooses an arm: its choices by the same condition are made."""
        if type(v) is not Term or v.op != "poly":
            return v
        chosen = [x for x in operands(v) if x.op == "ite" and x.args[0] is cond]
        if not chosen:
            return v
        return self(rebuild(self.words, v, tuple(x.args[arm] if x in chosen else x for x in operands(v))))

    def _slice(self, t: Term) -> Value:
        """Low bits of a polynomial are one; its highest is the sign of a number, if it is one."""
        source, lo = t.args
        if lo == 0:
            return self._low(source, t.w)
        if not self.bounds.unsigned(source)[1] >> lo:
            return 0
        if source.op != "poly":
            return t
        if lo < source.w - 1:
            return self._quotient(source, lo, t.w) or self._narrow_slice(source, lo, t.w) or t
        return conditions.negative(self, {m: signed(c, source.w) for m, c in source.args}, source.w)

    def _narrow_slice(self, source: Term, lo: int, n: int) -> Value | None:
        """High bits of a sum that as few bits hold as there are: the rest are its sign."""
        least, most = self.bounds.of_form([(m, signed(c, source.w)) for m, c in source.args])
        w = max(most.bit_length(), (-least - 1).bit_length()) + 1
        if w >= source.w:
            return None
        lo = min(lo, w - 1)
        bits = min(n, w - lo)
        part = self(self.words.ext(self._low(source, w), lo, bits))
        return self(self.words.sext(part, bits, n))

    def _divided(self, t: Term, args: tuple[Value, ...]) -> Value:
        """A division in as few bits as hold both."""
        w = max(self.bounds.unsigned(x)[1] for x in args).bit_length()
        if not 0 < w < t.w:
            return self.words.divided(t.op, t.w, *args)
        return self.words.zext(self.words.divided(t.op, w, *(self._low(x, w) for x in args)), w, t.w)

    def _quotient(self, product: Term, scale: int, n: int) -> Value | None:
        """High bits of a word times a scaled reciprocal as its quotient, where these are the same for all such words.

        With m * c = 2**s + e, x * m / 2**s is x / c + x * e / (c * 2**s): the quotient, if x * e is below 2**s.
        """
        factor = gcd(*(c for _, c in product.args))
        c = -(-(1 << scale) // factor)
        excess = factor * c - (1 << scale)
        if c < 3 or not self.bounds.holds_poly(product, "u"):
            return None
        form = {m: x // factor for m, x in product.args}
        _, most = self.bounds.of_form(form.items())
        if excess * most >= 1 << scale:
            return None
        w = max(most.bit_length(), c.bit_length())
        quotient = self.words.divided("udiv", w, self.term(self.settled(form, w), w), c)
        made = self.words.resized(quotient, w, n, False)
        return self(made) if c & (c - 1) else made

    # --------------------------------------------------------------------------------------------------- polynomials

    def form(self, t: Value, w: int, kind: str = "u") -> Form:
        """The polynomial of a word's number modulo 2**w; the kind says nothing of a word of at least `w` bits."""
        if type(t) is int:
            return {(): t & ((1 << w) - 1)} if t & ((1 << w) - 1) else {}
        key = (t, kind if w > t.w else "u", w)
        found = self.forms.get(key)
        if found is None:
            found = self.forms[key] = self.settled(self._expanded(t, kind, w), w)
        return found

    def _expanded(self, root: Term, kind: str, w: int) -> Form:
        """The polynomial of a word's number: from the newest terms to the oldest, so that each is met once."""
        total: Form = {}
        waiting: dict[tuple[Term, str], int] = {}
        heap: list[tuple[int, str, Term]] = []

        def push(v: Value, kind: str, factor: int) -> None:
            if type(v) is int:
                total[()] = total.get((), 0) + factor * v
            elif (v, kind) in waiting:
                waiting[v, kind] += factor
            else:
                waiting[v, kind] = factor
                heapq.heappush(heap, (-v.uid, kind, v))

        push(root, kind, 1)
        while heap:
            _, kind, t = heapq.heappop(heap)
            factor = waiting.pop((t, kind)) & ((1 << w) - 1)
            if not factor:
                continue
            free = w - _zeros(factor, w) <= t.w
            for v, k, f in self._parts(t, kind, factor, w, free, total):
                push(v, k, f)
        return total

    def _parts(self, t: Term, kind: str, factor: int, w: int, free: bool, total: Form) -> list[tuple[Value, str, int]]:
        """The words whose numbers make up that of a word, with factors; what is no sum goes to the total.

        With `free` only the word's own bits matter, so that carries may be lost.
        """
        match t.op:
            case "add" if free or self.bounds.holds_sum(t, kind):
                return [(self._number(x, t.w, kind), kind, factor) for x in t.args]
            case "mul" if type(t.args[1]) is int and (free or self.bounds.holds_sum(t, kind)):
                return [(t.args[0], kind, factor * self._number(t.args[1], t.w, kind))]
            case "mul" if type(t.args[1]) is Term and (free or self.bounds.holds_sum(t, kind)):
                self._product(t, kind, factor, w, free, total)
                return []
            case "xor" if t.args[1] == (1 << t.w) - 1:
                return [(t.args[0], kind, -factor), (-1 if kind == "s" else t.args[1], kind, factor)]
            case "cat":
                return _joined(t, factor, "u" if free else kind)
            case "sext" if kind == "s" or w - _zeros(factor, w) <= t.w:
                return [(t.args[0], "s", factor)]
            case "poly" if free:
                _add(total, dict(t.args), factor)
                return []
        self._atom(t, kind, factor, free, total)
        return []

    @staticmethod
    def _number(v: Value, w: int, kind: str) -> Value:
        return signed(v, w) if type(v) is int and kind == "s" else v

    def _product(self, t: Term, kind: str, factor: int, w: int, free: bool, total: Form) -> None:
        shift = _zeros(factor, w) if free else 0
        a, b = (self.form(x, w - shift, kind) for x in t.args)
        if _is_large(a, b):
            _add(total, {((self._times(a, b, w - shift), "u"),): 1}, factor)
            return
        for m, c in a.items():
            for n, d in b.items():
                key = tuple(sorted((*m, *n), key=_order))
                total[key] = total.get(key, 0) + c * d * factor

    def _times(self, a: Form, b: Form, w: int) -> Term:
        """A product modulo 2**w that isn't written out."""
        x, y = sorted((self.term(a, w), self.term(b, w)), key=lambda v: v.uid)
        made: Term = self.words.node("times", w, x, y)
        self.made[made] = made
        return made

    def _atom(self, t: Term, kind: str, factor: int, free: bool, total: Form) -> None:
        normal = self.made.get(t)
        if normal is None:
            normal = self.term(self.form(t, t.w), t.w) if self._sums(t) and t.op != "xor" else t
        if type(normal) is int:
            number = signed(normal, t.w) if kind == "s" else normal
            total[()] = total.get((), 0) + factor * number
        elif normal.op == "poly" and free:
            _add(total, dict(normal.args), factor)
        elif normal.op == "sext" and (kind == "s" or free):
            self._atom(normal.args[0], "s", factor, False, total)
        elif normal.op == "poly" and self.bounds.holds_poly(normal, kind):
            _add(total, {m: signed(c, normal.w) for m, c in normal.args}, factor)
        else:
            key = ((normal, kind),)
            total[key] = total.get(key, 0) + factor

    def settled(self, form: Form, w: int) -> Form:
        """A polynomial with coefficients in range and each number by one name."""
        mask = (1 << w) - 1
        made: Form = {}
        for mono, c in form.items():
            c &= mask
            if not c:
                continue
            bits = w - _zeros(c, w)
            parts: list[tuple[Term, str]] = []
            for atom, kind in mono:
                named = self._named(atom, kind, bits)
                if type(named[0]) is int:
                    c = c * named[0] & mask
                elif named[0].w == 1 and named[1] == "s":  # a sign is 0 or -1
                    c = -c & mask
                    parts.append((named[0], "u"))
                else:
                    parts.append(named)
            if len(parts) == 1 and _is_inverted(parts[0][0]):
                atom, kind = parts[0]
                c, parts = -c, [(self._inverse(atom), kind)]
                made[()] = made.get((), 0) - c * (-1 if kind == "s" else (1 << atom.w) - 1)
            key = tuple(sorted(parts, key=_order))
            made[key] = made.get(key, 0) + c
        made = self._whole(self._chosen(made, w), w)
        return {m: c & mask for m, c in sorted(made.items(), key=lambda item: [_order(x) for x in item[0]]) if c & mask}

    def _named(self, atom: Term, kind: str, bits: int) -> tuple[Any, str]:
        """The name of a number of which `bits` bits matter."""
        if bits > atom.w:
            return (atom, "u") if kind == "s" and self.bounds.unsigned(atom)[1] < 1 << (atom.w - 1) else (atom, kind)
        low = self._low(self.made.get(atom, atom), bits)
        if type(low) is Term and (low.op in ARITHMETIC or low.op == "xor"):
            return atom, "u"
        return low, "u"

    def _inverse(self, t: Term) -> Term:
        """A polynomial with all bits inverted."""
        made: Term = self.term(self.form(self.words.inv(t.w, t), t.w), t.w)
        self.made.setdefault(made, made)
        return made

    def _chosen(self, form: Form, w: int) -> Form:
        """Parts of a choice that adjoin are one choice again: what was taken of its arms comes together."""
        found = [(c, m) for m, c in form.items() if len(m) == 1 and m[0][0].op == "ite" and m[0][1] == "u"]
        for (c, (low,)), (d, (high,)) in itertools.permutations(found, 2):
            if low[0].args[0] is high[0].args[0] and d == c << low[0].w:
                made = {m: x for m, x in form.items() if m not in ((low,), (high,))}
                choice = self._join(low[0], high[0])
                if type(choice) is int:
                    made[()] = made.get((), 0) + c * choice
                else:
                    self._atom(choice, "u", c, w - _zeros(c, w) <= choice.w, made)
                return self.settled(made, w)
        return form

    def _join(self, low: Term, high: Term) -> Value:
        """Two choices by one condition as one of the words that are joined."""
        words, n, m = self.words, low.w, high.w
        arms = [words.cat(m, high.args[k], n, low.args[k]) for k in (1, 2)]
        return self(words.ite(n + m, low.args[0], *arms))

    def _whole(self, form: Form, w: int) -> Form:
        """Slices times a power of two as what the word has from its lowest bit on, less what lies below the slice."""
        made: Form = {}
        for mono, c in form.items():
            atom, kind = mono[0] if len(mono) == 1 else (None, "u")
            if atom is None or not _is_part(atom, kind) or c & ((1 << atom.args[1]) - 1):
                made[mono] = made.get(mono, 0) + c
                continue
            source, lo = atom.args
            factor = signed(c, w) >> lo  # only bits from lo on matter of what it multiplies
            for n, k, f in ((lo + atom.w, kind, factor), (lo, "u", -factor)):
                part = self._low(source, n)
                if type(part) is int:
                    made[()] = made.get((), 0) + f * (signed(part, n) if k == "s" else part)
                elif part.op == "poly" and (w - _zeros(f, w) <= part.w or self.bounds.holds_poly(part, k)):
                    _add(made, {m: signed(x, part.w) for m, x in part.args}, f)
                else:
                    key: Mono = ((part, k),)
                    made[key] = made.get(key, 0) + f
        return made

    def _low(self, source: Value, n: int) -> Value:
        """The low bits of a word in normal form, in normal form."""
        if type(source) is int or (source.op not in ("poly", "ite", "times") or source.w == n):
            return self.words.ext(source, 0, n)
        found = self.lows.get((source, n))
        if found is None:
            found = self.lows[source, n] = self._lower(source, n)
        return found

    def _lower(self, source: Term, n: int) -> Value:
        if source.op == "poly":
            return self.term(self.settled(dict(source.args), n), n)
        if source.op == "times":
            product = self.words.mul(n, *(self._low(x, n) for x in source.args))
            return self.term(self.form(product, n), n)
        cond, a, b = source.args
        return self.words.ite(n, cond, self._low(a, n), self._low(b, n))

    def term(self, form: Form, w: int) -> Value:
        """The term of a polynomial."""
        if not form:
            return 0
        if len(form) == 1:
            (mono, c), *_ = form.items()
            if not mono:
                return c
            if c == 1 and len(mono) == 1 and mono[0][0].w == w:
                return mono[0][0]
        if w == 1:
            return self._parity(form)
        return self.words.node("poly", w, *form.items())

    def _parity(self, form: Form) -> Value:
        """A sum of bits is their exclusive or."""
        total: Value = 0
        for mono, _ in form.items():
            product: Value = 1
            for atom, _ in mono:
                product = self.words.and_(1, product, self.words.ext(atom, 0, 1))
            total = self.words.xor(1, total, product)
        return total


def _is_inverted(t: Term) -> bool:
    """Whether a polynomial is named by the one with all bits inverted: its first coefficient is below 0."""
    if t.op != "poly":
        return False
    first = next(c for m, c in t.args if m)
    return bool(first > 1 << (t.w - 1))


def _is_part(t: Term, kind: str) -> bool:
    """Whether a number is a slice above the lowest bits; one with a sign reaches to the highest."""
    return t.op == "ext" and t.args[1] > 0 and (kind == "u" or t.args[1] + t.w == t.args[0].w)


def _is_large(a: Form, b: Form) -> bool:
    """Whether a product is too large to be written out; one with a constant never is."""
    return len(a) * len(b) > MOST and all(set(form) != {()} for form in (a, b))


def _joined(t: Term, factor: int, top: str) -> list[tuple[Value, str, int]]:
    """The parts of a concatenation, each times its place; the first one may have the sign of all."""
    parts: list[tuple[Value, str, int]] = []
    at = t.w
    for n, v in zip(t.args[::2], t.args[1::2], strict=True):
        at -= n
        kind = top if not parts else "u"
        parts.append((signed(v, n) if type(v) is int and kind == "s" else v, kind, factor << at))
    return parts


def _add(total: Form, form: Form, factor: int) -> None:
    for mono, c in form.items():
        total[mono] = total.get(mono, 0) + c * factor


def _order(x: tuple[Term, str]) -> tuple[int, str]:
    return x[0].uid, x[1]


def _since(table: dict[K, Any], size: int) -> list[K]:
    """The keys of a table beyond so many, in the order in which they came."""
    return list(itertools.islice(reversed(table), max(0, len(table) - size)))[::-1]
