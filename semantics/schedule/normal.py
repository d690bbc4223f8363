"""Values of symbolic runs in normal form: two that are the same function of the symbols are one number.

Integers are polynomials over what isn't one, cut to a width only where that shows. Operands of commutative ops are in
order, minima and maxima are sets. Floats keep their order of operations, unless `exact` is off: then a sum is the
multiset of what is added, `fma(a, b, c)` is `a * b + c`, and a zero that is added says nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from gemel.semantics import ops
from gemel.semantics.convert import wrap
from gemel.semantics.dtypes import DType, FloatType, IndexType, IntType, is_integer
from gemel.semantics.intervals import Interval
from gemel.semantics.ops import Op
from gemel.semantics.typerules import Operand, holds

Polynomial = Mapping[tuple[int, ...], int]
"""The coefficient of each product of atoms."""


@dataclass(frozen=True, slots=True)
class Symbolic:
    """A value that isn't a number: `id` is that of its normal form."""

    id: int


@dataclass
class Normal:
    """The normal forms of a run."""

    exact: bool
    ids: dict[Any, int] = field(default_factory=dict)
    forms: list[Any] = field(default_factory=list)
    ranges: dict[int, Interval] = field(default_factory=dict)
    """What integer arguments hold, by their forms."""

    def made(self, *form: Any) -> Symbolic:
        """The value of a form: equal forms are one value."""
        if form not in self.ids:
            self.ids[form] = len(self.forms)
            self.forms.append(form)
        return Symbolic(self.ids[form])

    def symbol(self, dtype: DType, *name: Any) -> Symbolic:
        """An element of an argument."""
        made = self.made("symbol", *name)
        if isinstance(dtype, IntType):
            self.ranges[made.id] = dtype.lo, dtype.hi
        return made

    def number(self, value: Any, dtype: DType) -> Symbolic:
        """A number among symbols."""
        if is_integer(dtype):
            return self._poly({(): int(value)} if value else {})
        return self.made("number", repr(float(value)) if isinstance(dtype, FloatType) else int(value), str(dtype))

    def apply(self, op: Op, dtype: DType, types: tuple[DType, ...], args: tuple[Any, ...]) -> Symbolic:
        """The value of an op of which an operand is symbolic."""
        if op in ops.NARROWING and types[0] == dtype and isinstance(args[0], Symbolic):
            return args[0]
        own = [a if isinstance(a, Symbolic) else self.number(a, t) for a, t in zip(args, types, strict=True)]
        if is_integer(dtype) and all(map(is_integer, types)) and (op in RING or op in ops.NARROWING):
            polys = [self.polynomial(a) for a in own]
            exact = _ring(op, polys) if op in RING else polys[0]
            roomy = (op in RING and _roomy(op, dtype, types)) or self._fits(exact, dtype)
            return self._poly(exact if roomy else self._cut(exact, dtype))
        if isinstance(dtype, FloatType) and not self.exact and op in (ops.ADD, *FUSED):
            return self._sum(op, dtype, own)
        if op in SETS:
            return self._set(op, dtype, own)
        if op is ops.XOR:
            return self._xor(dtype, own)
        order = sorted(a.id for a in own) if op.commutative else [a.id for a in own]
        return self.made("op", op.name, str(dtype), *order)

    # ------------------------------------------------------------------------------------------------------- integers

    def polynomial(self, value: Symbolic) -> Polynomial:
        """An integer as a sum of products of atoms."""
        form = self.forms[value.id]
        return dict(form[1]) if form[0] == "poly" else {(value.id,): 1}

    def _poly(self, p: Polynomial) -> Symbolic:
        if len(p) == 1:
            ((monomial, c),) = p.items()
            if c == 1 and len(monomial) == 1:
                return Symbolic(monomial[0])
        return self.made("poly", frozenset(p.items()))

    def _cut(self, p: Polynomial, dtype: DType) -> Polynomial:
        """A polynomial as a value of an integer type: what the width loses is lost."""
        width = dtype.width if isinstance(dtype, IntType | IndexType) else 64
        reduced = {m: c % (1 << width) for m, c in self._opened(p, width).items() if c % (1 << width)}
        if set(reduced) <= {()}:
            number = wrap(reduced.get((), 0), dtype) if isinstance(dtype, IntType | IndexType) else 0
            return {(): number} if number else {}
        return {(self.made("cut", str(dtype), width, frozenset(reduced.items())).id,): 1}

    def _fits(self, p: Polynomial, dtype: DType) -> bool:
        """Whether what arguments can hold makes a value that the type has."""
        low = high = 0
        for monomial, c in p.items():
            ends = [c]
            for a in monomial:
                if a not in self.ranges:
                    return False
                ends = [x * y for x in ends for y in self.ranges[a]]
                ends = [min(ends), max(ends)]
            low, high = low + min(ends), high + max(ends)
        return isinstance(dtype, IntType) and dtype.lo <= low and high <= dtype.hi

    def _opened(self, p: Polynomial, width: int) -> Polynomial:
        """The polynomial modulo 2**width: cuts to at least as many bits are gone."""
        if not any(self._wider(a, width) for m in p for a in m):
            return p
        total: Counter[tuple[int, ...]] = Counter()
        for monomial, c in p.items():
            part: Polynomial = {(): c}
            for a in monomial:
                part = _ring(ops.MUL, [part, self._inside(a, width)])
            total.update(part)
        return total

    def _inside(self, atom: int, width: int) -> Polynomial:
        return self._opened(dict(self.forms[atom][3]), width) if self._wider(atom, width) else {(atom,): 1}

    def _wider(self, atom: int, width: int) -> bool:
        form = self.forms[atom]
        return form[0] == "cut" and int(form[2]) >= width

    # ------------------------------------------------------------------------------------------- sums, minima, maxima

    def _sum(self, op: Op, dtype: DType, args: list[Symbolic]) -> Symbolic:
        parts = args
        if op in FUSED:
            parts = [self.apply(ops.MUL, dtype, (dtype, dtype), (args[0], args[1])), args[2]]
        total: Counter[int] = Counter()
        for a in parts:
            form = self.forms[a.id]
            if form[0] == "sum":
                total.update(dict(form[2]))
            elif form[:2] not in (("number", "0.0"), ("number", "-0.0")):
                total[a.id] += 1
        if len(total) == 1 and next(iter(total.values())) == 1:
            return Symbolic(next(iter(total)))
        return self.made("sum", str(dtype), frozenset(total.items()))

    def _xor(self, dtype: DType, args: Iterable[Symbolic]) -> Symbolic:
        """Operands of which each counts as often as it occurs, modulo 2."""
        found: set[int] = set()
        for a in args:
            form = self.forms[a.id]
            found ^= form[2] if form[:2] == ("xor", str(dtype)) else {a.id}
        if not found:
            return self.number(0, dtype)
        return Symbolic(next(iter(found))) if len(found) == 1 else self.made("xor", str(dtype), frozenset(found))

    def _set(self, op: Op, dtype: DType, args: Iterable[Symbolic]) -> Symbolic:
        """Operands of an op for which order and repetition say nothing; for floats its neutral infinity neither."""
        neutral = ("number", "inf" if op is ops.MIN else "-inf", str(dtype))
        found: set[int] = set()
        for a in args:
            form = self.forms[a.id]
            if form[:3] == ("set", op.name, str(dtype)):
                found |= form[3]
            elif form != neutral or not isinstance(dtype, FloatType):
                found.add(a.id)
        return (
            Symbolic(next(iter(found))) if len(found) == 1 else self.made("set", op.name, str(dtype), frozenset(found))
        )


FUSED = (ops.FMA, ops.FMA_FLUSH)
RING = (ops.ADD, ops.SUB, ops.MUL, ops.NEG)
SETS = (ops.MIN, ops.MAX, ops.AND, ops.OR)


def _roomy(op: Op, dtype: DType, types: tuple[DType, ...]) -> bool:
    """Whether a type holds the exact result: the type rule's own does, that of `index` needn't."""
    exact = op.rule(tuple(Operand(t, None) for t in types)) if op.rule else dtype
    return not isinstance(dtype, IndexType) and holds(dtype, exact)


def _ring(op: Op, parts: list[Polynomial]) -> Polynomial:
    if op is ops.NEG:
        return {m: -c for m, c in parts[0].items()}
    a, b = parts
    total: Counter[tuple[int, ...]] = Counter()
    if op is ops.MUL:
        for (m, c), (n, d) in product(a.items(), b.items()):
            total[tuple(sorted((*m, *n)))] += c * d
    else:
        total.update(a)
        for m, c in b.items():
            total[m] += c if op is ops.ADD else -c
    return {m: c for m, c in total.items() if c}
