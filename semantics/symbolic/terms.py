"""Hash-consed words: equal terms are one object, so that what is computed twice is compared by identity.

A value is a Python integer (a known word, not negative) or a `Term`. The constructors simplify what costs nothing to
see: constants, neutral elements, slices of what was joined, low bits of arithmetic. An operator stands for what SMT-LIB
calls by its name (`add` is bvadd, `cat` a concatenation, `app` an uninterpreted function); `pick` is the word at an
index of a list of words. A negation is a product with -1, a complement an exclusive or with ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

from gemel.semantics.symbolic import floors
from gemel.semantics.symbolic.nodes import Term, Value, copied, least, may_be_negative, operands
from gemel.semantics.symbolic.numbers import DIVISIONS, signed
from gemel.semantics.symbolic.slices import SLICES

__all__ = ["Term", "Value", "Words", "operands"]


class Words:
    """Makes terms. Those of one `Words` are compared by identity; they live as long as it does.

    Low bits of sums and products are taken of as few bits of operands as say them, unless `narrows` is off: then a sum
    of which several slices are used is one term.
    """

    def __init__(self, narrows: bool = True) -> None:
        self.narrows = narrows
        self.table: dict[tuple[Any, ...], Value] = {}
        self.slices: dict[tuple[Term, int, int], Value] = {}
        self.joined: dict[tuple[Any, ...], Value] = {}
        self.said: dict[Term, int] = {}
        self.count = 0

    def node(self, op: str, w: int, *args: Any) -> Any:
        """The one term of an operator on operands, or what it was assumed to be; nothing is simplified."""
        key = (op, w, args)
        found = self.table.get(key)
        if found is None:
            self.count += 1
            found = self.table[key] = Term(op, w, args, self.count)
        return found

    def assume(self, t: Value, value: int) -> list[tuple[Term, int]]:
        """Takes a bit as known from now on, and those that it is made of; terms that have it already keep it.

        Gives what is known by that; a symbol stays one.
        """
        if type(t) is int:
            return []
        found = [(t, value)]
        if t.op == "xor" and t.args[1] == 1:
            found += self.assume(t.args[0], 1 - value)
        elif t.w == 1 and t.op == ("and" if value else "or"):
            for part in t.args:
                found += self.assume(part, value)
        if t.op != "var":
            self.table[t.op, t.w, t.args] = value
        return found

    def var(self, name: str, w: int) -> Term:
        """A symbol."""
        return self.node("var", w, name)  # type: ignore[no-any-return]

    def fresh(self, hint: str, w: int) -> Term:
        """A symbol that is no other."""
        return self.node("var", w, f"{hint}!{self.count}")  # type: ignore[no-any-return]

    # -------------------------------------------------------------------------------------------------- arithmetic

    def add(self, w: int, a: Value, b: Value) -> Value:
        """The sum modulo 2**w."""
        if type(a) is int:
            if type(b) is int:
                return (a + b) & ((1 << w) - 1)
            a, b = b, a
        if type(b) is int:
            if not b:
                return a
            if a.op == "add" and type(a.args[1]) is int:
                return self.add(w, a.args[0], (a.args[1] + b) & ((1 << w) - 1))
            if w == 1:
                return self.xor(1, a, b)
        elif a.uid > b.uid:
            a, b = b, a
        return self.node("add", w, a, b)

    def neg(self, w: int, a: Value) -> Value:
        """The negative modulo 2**w."""
        return self.mul(w, a, (1 << w) - 1)

    def sub(self, w: int, a: Value, b: Value) -> Value:
        """The difference modulo 2**w."""
        return 0 if a is b else self.add(w, a, self.neg(w, b))

    def mul(self, w: int, a: Value, b: Value) -> Value:
        """The product modulo 2**w."""
        if type(a) is int:
            if type(b) is int:
                return (a * b) & ((1 << w) - 1)
            a, b = b, a
        if type(b) is int:
            if b == 1 or not b:
                return a if b else 0
            if a.op == "mul" and type(a.args[1]) is int:
                return self.mul(w, a.args[0], (a.args[1] * b) & ((1 << w) - 1))
        elif a.uid > b.uid:
            a, b = b, a
        return self.node("mul", w, a, b)

    # ------------------------------------------------------------------------------------------------------- logic

    def inv(self, w: int, a: Value) -> Value:
        """All bits inverted."""
        return self.xor(w, a, (1 << w) - 1)

    def xor(self, w: int, a: Value, b: Value) -> Value:
        """Exclusive or, bit by bit."""
        if type(a) is int:
            if type(b) is int:
                return a ^ b
            a, b = b, a
        if a is b:
            return 0
        if type(b) is int:
            if not b:
                return a
            if a.op == "xor" and type(a.args[1]) is int:
                return self.xor(w, a.args[0], a.args[1] ^ b)
            if a.op == "sext" and a.args[0].w == 1 and b == (1 << w) - 1:
                return self.sext(self.xor(1, a.args[0], 1), 1, w)
        elif a.uid > b.uid:
            a, b = b, a
        return self.node("xor", w, a, b)

    def and_(self, w: int, a: Value, b: Value) -> Value:
        """And, bit by bit."""
        if type(a) is int:
            if type(b) is int:
                return a & b
            a, b = b, a
        if a is b:
            return a
        if type(b) is int:
            return self._masked(w, a, b)
        if self._opposite(a, b):
            return 0
        for x, y in ((a, b), (b, a)):
            if x.op == "sext" and x.args[0].w == 1:
                return self.ite(w, x.args[0], y, 0)
        if a.op == b.op == "ite" and a.args[0] is b.args[0] and w > 1:
            return self.ite(w, a.args[0], self.and_(w, a.args[1], b.args[1]), self.and_(w, a.args[2], b.args[2]))
        return self.node("and", w, *((a, b) if a.uid < b.uid else (b, a)))

    def _masked(self, w: int, a: Term, mask: int) -> Value:
        """The bits of a mask; runs of them are slices."""
        if not mask:
            return 0
        if mask == (1 << w) - 1:
            return a
        parts: list[Any] = []
        at = 0
        while at < w:
            bit = mask >> at & 1
            rest = (mask >> at) ^ (-1 if bit else 0)
            n = min((rest & -rest).bit_length() - 1 if rest else w, w - at)
            parts = [n, self.ext(a, at, n) if bit else 0, *parts]
            at += n
        return self.cat(*parts)

    def all_of(self, bits: Iterable[Value]) -> Value:
        """The conjunction of bits."""
        return reduce(lambda found, b: self.and_(1, found, b), bits, 1)

    def or_(self, w: int, a: Value, b: Value) -> Value:
        """Or, bit by bit."""
        if type(a) is int:
            if type(b) is int:
                return a | b
            a, b = b, a
        if a is b:
            return a
        if type(b) is int:
            if not b or b == (1 << w) - 1:
                return b or a
            return self.inv(w, self.and_(w, self.inv(w, a), b ^ ((1 << w) - 1)))
        if self._opposite(a, b):
            return (1 << w) - 1
        if a.op == b.op == "ite" and a.args[0] is b.args[0] and w > 1:
            return self.ite(w, a.args[0], self.or_(w, a.args[1], b.args[1]), self.or_(w, a.args[2], b.args[2]))
        return self.node("or", w, *((a, b) if a.uid < b.uid else (b, a)))

    @staticmethod
    def _opposite(a: Term, b: Term) -> bool:
        ones = (1 << a.w) - 1
        return (a.op == "xor" and a.args[0] is b and a.args[1] == ones) or (
            b.op == "xor" and b.args[0] is a and b.args[1] == ones
        )

    def ite(self, w: int, c: Value, a: Value, b: Value) -> Value:
        """`a` where the bit `c` is set, else `b`."""
        if type(c) is int:
            return a if c else b
        if a is b or (type(a) is int and type(b) is int and a == b):
            return a
        if c.op == "xor" and c.args[1] == 1:
            c, a, b = c.args[0], b, a
        if type(a) is Term and a.op == "ite" and a.args[0] is c:
            a = a.args[1]
        if type(b) is Term and b.op == "ite" and b.args[0] is c:
            b = b.args[2]
        if a is b:
            return a
        return self._bit(c, a, b) if w == 1 else self.node("ite", w, c, a, b)

    def _bit(self, c: Term, a: Value, b: Value) -> Value:
        if type(a) is int:
            return self.or_(1, c, b) if a else self.and_(1, self.xor(1, c, 1), b)
        if type(b) is int:
            return self.or_(1, self.xor(1, c, 1), a) if b else self.and_(1, c, a)
        return self.node("ite", 1, c, a, b)

    # ------------------------------------------------------------------------------------------------- parts of words

    def cat(self, *parts: Any) -> Value:
        """Words joined, the highest first: width, value, width, value, ..."""
        if len(parts) == 4 and type(parts[1]) is int and type(parts[3]) is int:
            return parts[1] << parts[2] | parts[3]
        found = self.joined.get(parts)
        if found is None:
            found = self.joined[parts] = self._cat(parts)
        return found

    def _cat(self, parts: tuple[Any, ...]) -> Value:
        flat: list[Any] = []
        for n, v in zip(parts[::2], parts[1::2], strict=True):
            inner = v.args if type(v) is Term and v.op == "cat" else (n, v)
            for m, x in zip(inner[::2], inner[1::2], strict=True):
                self._append(flat, m, x)
        if len(flat) == 2:
            return flat[1]
        if len(flat) == 4 and flat[3] == 0 and type(flat[1]) is Term and flat[1].op == "ext":
            return self._times(sum(flat[::2]), *flat)
        return self.node("cat", sum(flat[::2]), *flat)

    def _times(self, w: int, n: int, v: Term, k: int, zeros: int) -> Value:
        """Low bits before zeros: a sum or product times a power of two."""
        source, lo = v.args
        if lo or source.op not in ("add", "mul") or source.w < w:
            return self.node("cat", w, n, v, k, zeros)
        return self.mul(w, self.ext(source, 0, w), 1 << k)

    def _append(self, flat: list[Any], n: int, v: Value) -> None:
        """Adds a part below those that there are; neighbours that are one word become one part."""
        if not n:
            return
        if flat:
            m, u = flat[-2:]
            if type(u) is int and type(v) is int:
                flat[-2:] = [m + n, u << n | v]
                return
            bit = copied(u)
            if bit is not None and bit is copied(v):
                flat[-2:] = [m + n, self.sext(bit, 1, m + n)]
                return
            if bit is not None and type(v) is Term and bit is self.ext(v, n - 1, 1):
                flat[-2:] = [m + n, self.sext(v, n, m + n)]
                return
            if type(u) is Term and type(v) is Term and u.op == "ext" and self._below(u, v):
                flat[-2:] = [m + n, self.ext(u.args[0], u.args[1] - n, m + n)]
                return
        flat += [n, v]

    @staticmethod
    def _below(u: Term, v: Term) -> bool:
        """Whether `v` is the slice just below the slice `u`."""
        return bool(v.op == "ext" and v.args[0] is u.args[0] and v.args[1] + v.w == u.args[1])

    def zext(self, a: Value, w: int, to: int) -> Value:
        """A word of `w` bits with zeros before it."""
        return a if w == to or type(a) is int else self.cat(to - w, 0, w, a)

    def sext(self, a: Value, w: int, to: int) -> Value:
        """A word of `w` bits with copies of its sign before it."""
        if w == to:
            return a
        if type(a) is int:
            return signed(a, w) & ((1 << to) - 1)
        if a.op == "sext":
            return self.sext(a.args[0], a.args[0].w, to)
        if a.op == "cat" and a.args[1] == 0:
            return self.zext(a, w, to)
        if a.op == "ite" and (type(a.args[1]) is int or type(a.args[2]) is int):
            return self.ite(to, a.args[0], self.sext(a.args[1], w, to), self.sext(a.args[2], w, to))
        return self.node("sext", to, a)

    def resized(self, a: Value, w: int, to: int, is_signed: bool) -> Value:
        """A word of `w` bits at another width: cut, or extended as signed or unsigned."""
        if w >= to:
            return self.ext(a, 0, to)
        return self.sext(a, w, to) if is_signed else self.zext(a, w, to)

    def ext(self, a: Value, lo: int, n: int) -> Value:
        """`n` bits from bit `lo` on."""
        if type(a) is int:
            return a >> lo & ((1 << n) - 1)
        if n == a.w:
            return a
        rule = SLICES.get(a.op)
        if rule is None:
            return self.node("ext", n, a, lo)
        key = (a, lo, n)
        found = self.slices.get(key)
        if found is None:
            found = self.slices[key] = rule(self, a, lo, n)
        return found

    # -------------------------------------------------------------------------------------------------- comparisons

    def eq(self, w: int, a: Value, b: Value) -> Value:
        """Whether two words are the same, as a bit."""
        if a is b:
            return 1
        if type(a) is int:
            if type(b) is int:
                return int(a == b)
            a, b = b, a
        if type(b) is int:
            return self._is(w, a, b)
        narrow = self._narrower(a, b)
        if narrow is not None:
            _, m, a, b = narrow
            return self.eq(m, a, b)
        return self.node("eq", 1, *((a, b) if a.uid < b.uid else (b, a)))

    def _is(self, w: int, a: Term, b: int) -> Value:
        """Whether a word is a constant."""
        if w == 1:
            return a if b else self.xor(1, a, 1)
        match a.op:
            case "add" if type(a.args[1]) is int:
                return self.eq(w, a.args[0], (b - a.args[1]) & ((1 << w) - 1))
            case "xor" if type(a.args[1]) is int:
                return self.eq(w, a.args[0], b ^ a.args[1])
            case "ite" if type(a.args[1]) is int or type(a.args[2]) is int:
                return self.ite(1, a.args[0], self.eq(w, a.args[1], b), self.eq(w, a.args[2], b))
            case "cat":
                found: Value = 1
                at = w
                for n, v in zip(a.args[::2], a.args[1::2], strict=True):
                    at -= n
                    found = self.and_(1, found, self.eq(n, v, b >> at & ((1 << n) - 1)))
                return found
            case "sext":
                inner = a.args[0]
                low = b & ((1 << inner.w) - 1)
                return self.eq(inner.w, inner, low) if signed(low, inner.w) & ((1 << w) - 1) == b else 0
            case _:
                pass
        return self.node("eq", 1, a, b)

    def _narrower(self, a: Value, b: Value) -> tuple[bool, int, Value, Value] | None:
        """Two extended words as they were before: whether signed, the width, and both."""
        for is_signed in (True, False):
            low = max(least(a, is_signed), least(b, is_signed))
            if low < (a.w if type(a) is Term else b.w):
                return is_signed, low, self.ext(a, 0, low), self.ext(b, 0, low)
        return None

    def ult(self, w: int, a: Value, b: Value) -> Value:
        """Whether `a` is below `b` as unsigned numbers; with a constant, the symbol is on the left."""
        if type(a) is int:
            if type(b) is int:
                return int(a < b)
            return 0 if a == (1 << w) - 1 else self.xor(1, self.ult(w, b, a + 1), 1)
        if a is b:
            return 0
        if type(b) is int and b <= 1:
            return self.eq(w, a, 0) if b else 0
        if w == 1:
            return self.and_(1, self.xor(1, a, 1), b)
        low = max(least(a, False), least(b, False))
        if low < w:
            return 1 if low == 0 and b else self.ult(low, self.ext(a, 0, low), self.ext(b, 0, low))
        if b == 2 and a.op == "add" and a.args[1] == 1:  # how code asks for 0 and -1 at once
            return self.or_(1, self.eq(w, a.args[0], 0), self.eq(w, a.args[0], (1 << w) - 1))
        return self.node("ult", 1, a, b)

    def slt(self, w: int, a: Value, b: Value) -> Value:
        """Whether `a` is below `b` as signed numbers; with a constant, the symbol is on the left."""
        if type(a) is int:
            if type(b) is int:
                return int(signed(a, w) < signed(b, w))
            top = (1 << (w - 1)) - 1
            return 0 if a == top else self.xor(1, self.slt(w, b, (a + 1) & ((1 << w) - 1)), 1)
        if a is b:
            return 0
        if type(b) is int and b == 0:
            return self.ext(a, w - 1, 1)
        if max(least(a, False), least(b, False)) < w:
            return self.ult(w, a, b)
        low = max(least(a, True), least(b, True))
        if low < w:
            return self.slt(low, self.ext(a, 0, low), self.ext(b, 0, low))
        return self.node("slt", 1, a, b)

    # ------------------------------------------------------------------------------------------------------- shifts

    def shl(self, w: int, a: Value, by: Value, m: int) -> Value:
        """Shifted to the left by a word of `m` bits; zeros come in."""
        if type(by) is int:
            return self.mul(w, a, 1 << by) if by < w else 0
        return 0 if a == 0 else self.node("shl", w, a, self._amount(by))

    def lshr(self, w: int, a: Value, by: Value, m: int) -> Value:
        """Shifted to the right; zeros come in."""
        if type(by) is int:
            return self.cat(by, 0, w - by, self.ext(a, by, w - by)) if by < w else 0
        return 0 if a == 0 else self.node("lshr", w, a, self._amount(by))

    def ashr(self, w: int, a: Value, by: Value, m: int) -> Value:
        """Shifted to the right; copies of the sign come in."""
        if type(by) is int:
            by = min(by, w - 1)
            return self.sext(self.ext(a, by, w - by), w - by, w)
        if a == 0:
            return 0
        if type(a) is Term and a.op == "cat" and a.args[1] == 0:
            return self.lshr(w, a, by, m)
        return self.node("ashr", w, a, self._amount(by))

    def _amount(self, by: Term) -> Value:
        """A shift's amount without zeros in front."""
        return self.ext(by, 0, least(by, False))

    # ------------------------------------------------------------------------------------------------------- others

    def divided(self, op: str, w: int, a: Value, b: Value) -> Value:
        """`udiv`, `urem`, `sdiv`, `srem` (towards zero); by 0 they all give 0."""
        if type(a) is int and type(b) is int:
            return DIVISIONS[op](a, b, w)
        if b == 1 or b == 0:
            return a if b and op.endswith("div") else 0
        low = max(least(a, False), least(b, False))
        if low < w or (op[0] == "s" and max(least(a, True), least(b, True)) < w - may_be_negative(b)):
            return self._divided_narrow(op, w, a, b, low)
        if type(b) is int and b & (b - 1) == 0 and op[0] == "u":
            k = b.bit_length() - 1
            return self.lshr(w, a, k, w) if op == "udiv" else self.zext(self.ext(a, 0, k), k, w)
        if op[0] == "s":
            return floors.towards_zero(self, op, w, a, b)
        made = self.node(op, w, a, b)
        if type(b) is int:
            most = (((1 << w) - 1) // b if op == "udiv" else b - 1).bit_length()
            return self.zext(self.ext(made, 0, most), most, w)
        return made

    def _divided_narrow(self, op: str, w: int, a: Value, b: Value, low: int) -> Value:
        """A division of extended words by as few bits as hold them."""
        if low < w:
            kind = f"u{op[1:]}"
            return self.zext(self.divided(kind, low, self.ext(a, 0, low), self.ext(b, 0, low)), low, w)
        n = max(least(a, True), least(b, True)) + may_be_negative(b)  # the least number by -1 takes a bit more
        return self.sext(self.divided(op, n, self.ext(a, 0, n), self.ext(b, 0, n)), n, w)

    def app(self, name: str, w: int, *args: Value) -> Value:
        """A function that nothing is known of."""
        return self.node("app", w, name, *args)

    def pick(self, w: int, index: Value, cells: tuple[Value, ...]) -> Value:
        """The word at an index; beyond the end it is the last one."""
        if type(index) is int:
            return cells[min(index, len(cells) - 1)]
        first = cells[0]
        if all(c is first for c in cells):
            return first
        if all(type(c) is int for c in cells):
            return self._table(w, index, cells)
        return self.node("pick", w, index, *cells)

    def _table(self, w: int, index: Term, cells: tuple[int, ...]) -> Value:
        """A choice among known words: bits that are the same in all of them are constants."""
        same = ~0
        for c in cells:
            same &= ~(c ^ cells[0])
        parts: list[Any] = []
        at = 0
        while at < w:
            fixed = same >> at & 1
            n = 1
            while at + n < w and same >> (at + n) & 1 == fixed:
                n += 1
            low = tuple(c >> at & ((1 << n) - 1) for c in cells)
            parts = [n, low[0] if fixed else self.node("pick", n, index, *low), *parts]
            at += n
        return self.cat(*parts)
