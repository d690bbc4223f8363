"""How an array lies in banks: which bank has an element, where in it, and the words of each bank in order.

Along a partitioned axis of `size` elements over `count` banks, with `rows` = size / count rounded up, element `i` is in

- cyclic: bank `i % count`, row `i // count`;
- block: bank `i // rows`, row `i % rows`;
- complete: bank `i`, which then has no such axis;
- skewed: bank `sum(skew[n] * index[n]) % count`, row `i // count`.

A bank is row-major over its rows and the other axes. All banks have as many words; where the size is no multiple of the
count, some words have no element. With several partitioned axes there is a bank for each choice of one bank per axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import INDEX
from gemel.semantics.ir import Banking, Banks, Buffer, Expr, Ref
from gemel.semantics.linear import sum_of
from gemel.semantics.storage import Array

Number = tuple[int, ...]
"""A bank: its number along each partitioned axis."""


@dataclass(frozen=True)
class Digit:
    """A partitioned axis with its size."""

    axis: int
    count: int
    kind: Banking
    size: int
    skew: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """The elements of a bank along the axis."""
        return 1 if self.kind is Banking.COMPLETE else -(-self.size // self.count)

    def number(self, index: Sequence[Any]) -> Any:
        """The bank along this axis of an element at integers, or at arrays of them."""
        i = index[self.axis]
        match self.kind:
            case Banking.COMPLETE:
                return i
            case Banking.BLOCK:
                return i // self.rows
            case Banking.CYCLIC:
                return i % self.count
            case Banking.SKEWED:
                return sum(c * x for c, x in zip(self.skew, index, strict=True)) % self.count

    def row(self, index: Sequence[Any]) -> Any:
        """The row in the bank."""
        i = index[self.axis]
        match self.kind:
            case Banking.COMPLETE:
                return i * 0
            case Banking.BLOCK:
                return i % self.rows
            case Banking.CYCLIC | Banking.SKEWED:
                return i // self.count

    def told(self, letters: Sequence[str]) -> str:
        """`number` as text."""
        match self.kind:
            case Banking.COMPLETE:
                return letters[self.axis]
            case Banking.BLOCK:
                return f"{letters[self.axis]} // {self.rows}"
            case Banking.CYCLIC:
                return f"{letters[self.axis]} % {self.count}"
            case Banking.SKEWED:
                terms = [v if c == 1 else f"{c} * {v}" for c, v in zip(self.skew, letters, strict=True) if c]
                return f"({' + '.join(terms)}) % {self.count}"

    def number_expr(self, index: Sequence[Expr]) -> Expr:
        """`number` as an expression."""
        i = index[self.axis]
        match self.kind:
            case Banking.COMPLETE:
                return i
            case Banking.BLOCK:
                return _op(ops.FLOORDIV, i, self.rows)
            case Banking.CYCLIC:
                return _op(ops.MOD, i, self.count)
            case Banking.SKEWED:
                return _op(ops.MOD, _skewed(self.skew, index), self.count)

    def row_expr(self, index: Sequence[Expr]) -> Expr:
        """`row` as an expression; of a complete axis there is none."""
        i = index[self.axis]
        return _op(ops.MOD, i, self.rows) if self.kind is Banking.BLOCK else _op(ops.FLOORDIV, i, self.count)


def _op(op: ops.Op, a: Expr, n: int) -> Expr:
    """A quotient or remainder; of a sum of multiples of `n` and a number, that of the number counts."""
    total = sum_of(a)
    if total is None or a.dtype != INDEX or any(c % n for c in total.terms.values()):
        return build.apply(op, a, build.index(n, a.span), span=a.span)
    if op is ops.MOD:
        return build.index(total.constant % n, a.span)
    found: Expr = build.index(total.constant // n, a.span)
    for v, c in total.terms.items():
        part = build.mul(build.convert(Ref(v, a.span), INDEX), build.index(c // n, a.span), a.span)
        found = build.add(part, found, a.span)
    return found


def _skewed(skew: Sequence[int], index: Sequence[Expr]) -> Expr:
    total: Expr | None = None
    for c, i in zip(skew, index, strict=True):
        if c:
            part = build.mul(i, build.index(c, i.span), i.span)
            total = part if total is None else build.add(total, part, i.span)
    return index[0] if total is None else total


@dataclass(frozen=True, eq=False)
class Layout:
    """An array in banks; `given` if it is one of the interface, whose banks are memories even of one word.

    Banks are called `name` and their number, `A_b0` or with two partitioned axes `A_b1_0`.
    """

    buffer: Buffer
    given: bool
    name: str = ""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The array's sizes."""
        return tuple(value_of(d, {}) or 0 for d in self.buffer.shape)

    @cached_property
    def digits(self) -> tuple[Digit, ...]:
        """The partitioned axes, from the first axis on."""
        found = sorted(self.buffer.banks, key=lambda k: k.axis)
        return tuple(Digit(k.axis, k.count, k.kind, self.sizes[k.axis], k.skew) for k in found)

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """All banks, in order."""
        return tuple(product(*(range(d.count) for d in self.digits)))

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The axes that a bank has."""
        gone = {d.axis for d in self.digits if d.kind is Banking.COMPLETE}
        return tuple(n for n in range(len(self.sizes)) if n not in gone)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The sizes of a bank."""
        rows = {d.axis: d.rows for d in self.digits}
        own = tuple(rows.get(n, self.sizes[n]) for n in self.kept)
        return own or (1,) if self.given else own

    @cached_property
    def banks(self) -> dict[Number, Buffer]:
        """The banks as arrays; those of a table have its elements."""
        b = self.buffer
        shape = tuple(build.index(n, b.span) for n in self.shape)
        made = {}
        for number, places in zip(self.numbers, self.places, strict=True):
            data = None if b.data is None else np.asarray(gathered(b.data.reshape(-1), places).reshape(self.shape))
            hint = f"{self.name or b.hint}_b{'_'.join(map(str, number))}"
            made[number] = replace(b, hint=hint, shape=shape, data=data, banks=())
        return made

    @cached_property
    def places(self) -> list[Array]:
        """For each bank and word of it the element's place in the row-major array, -1 where there is none."""
        where = list(np.indices(self.sizes).reshape(len(self.sizes), -1))
        count = int(np.prod(self.sizes))
        rows = {d.axis: d.row(where) for d in self.digits}
        word = np.zeros(count, np.int64)
        for n in self.kept:
            size = next((d.rows for d in self.digits if d.axis == n), self.sizes[n])
            word = word * size + rows.get(n, where[n])
        bank = np.zeros(count, np.int64)
        for d in self.digits:
            bank = bank * d.count + d.number(where)
        made = np.full((len(self.numbers), int(np.prod(self.shape))), -1, np.int64)
        made[bank, word] = np.arange(count)
        return list(made)

    def told(self, number: Number) -> str:
        """What a bank holds, for people: `A[i, j] where i % 2 = 0`."""
        letters = [chr(ord("i") + n) if len(self.sizes) <= 9 else f"i{n}" for n in range(len(self.sizes))]
        parts = [f"{d.told(letters)} = {n}" for d, n in zip(self.digits, number, strict=True)]
        return f"{self.name or self.buffer.hint}[{', '.join(letters)}] where {', '.join(parts)}"

    def row(self, index: Sequence[Expr]) -> tuple[Expr, ...]:
        """The indices in its bank of an element."""
        rows = {d.axis: d for d in self.digits}
        own = tuple(rows[n].row_expr(index) if n in rows else index[n] for n in self.kept)
        return own or (build.index(0, self.buffer.span),) if self.given else own


def gathered(flat: Array, places: Array) -> Array:
    """The words of a bank from the elements in row-major order; 0 where there is no element."""
    words = flat[np.maximum(places, 0)]
    words[places < 0] = 0
    return words


def scattered(words: Array, places: Array, flat: Array) -> None:
    """Puts the words of a bank back among the elements in row-major order."""
    flat[places[places >= 0]] = words[places >= 0]


def is_banked(b: Buffer) -> bool:
    """Whether an array is spread over several memories."""
    return any(k.count > 1 for k in b.banks)


def with_banks(b: Buffer, banks: tuple[Banks, ...]) -> Buffer:
    """The array with other banks."""
    return replace(b, banks=banks)
