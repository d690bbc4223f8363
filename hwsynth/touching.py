"""Which elements of an array statements access in which iteration of a loop, where that doesn't depend on data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gemel.hwsynth.evaluate import ONCE, Iterations, evaluated
from gemel.semantics.arguments import value_of
from gemel.semantics.ir import Buffer, Expr, For, If, Let, Load, Reduce, Stmt, Store, While
from gemel.semantics.traverse import Body, accesses, exprs_of, statements, subexprs

MOST = 1 << 18
"""Iterations that are looked at."""

Numbers = Any
Accesses = tuple[Numbers, Numbers]
"""For each access the iteration and the element."""


class _UnknownError(Exception):
    """An access whose element isn't known."""


@dataclass
class Touched:
    """The accesses of statements to an array."""

    buffer: Buffer
    loads: list[Accesses] = field(default_factory=list)
    stores: list[Accesses] = field(default_factory=list)

    @staticmethod
    def of(b: Buffer, loops: Sequence[For], body: Body) -> Touched | None:
        """Those of a body in iterations of loops around it; None where an element isn't known."""
        at: Iterations | None = ONCE
        for s in loops:
            at = None if at is None else at.inside(s, MOST, False)
        if at is None:
            return None
        found = Touched(b)
        try:
            found._body(body, at.marked())
        except _UnknownError:
            return None
        return found

    def never_before(self, other: Touched) -> bool:
        """Whether none of these accesses has to come before one of `other` in a later iteration."""
        pairs = ((self.stores, other.loads), (self.stores, other.stores), (self.loads, other.stores))
        return not any(self._before(a, b) for a, b in pairs)

    def _before(self, some: Sequence[Accesses], others: Sequence[Accesses]) -> bool:
        words = int(np.prod(self._sizes(), dtype=np.int64))
        first, last = np.full(words, MOST, np.int64), np.full(words, -1, np.int64)
        for turn, element in some:
            np.minimum.at(first, element, turn)
        for turn, element in others:
            np.maximum.at(last, element, turn)
        return bool(np.any(first < last))

    def _sizes(self) -> list[int]:
        return [value_of(n, {}) or 0 for n in self.buffer.shape]

    def _body(self, body: Body, at: Iterations) -> None:
        for s in body:
            at = self._stmt(s, at)

    def _stmt(self, s: Stmt, at: Iterations) -> Iterations:
        """Notes a statement's accesses; the iterations with what it names."""
        for e in self._loads(s):
            self.loads.append(self._accesses(e.indices, at))
        match s:
            case Let():
                value = evaluated(s.value, at.values)
                return at if value is None else replace(at, values={**at.values, s.var: value})
            case Store() | Reduce() if s.buffer is self.buffer:
                self.stores.append(self._accesses(s.indices, at))
                self.loads += self.stores[-1:] if isinstance(s, Reduce) else []
            case For() | While() if self._inside(s.body):
                inner = at.inside(s, MOST, False) if isinstance(s, For) and s.until is None else None
                if inner is None:
                    raise _UnknownError
                self._body(s.body, inner)
            case If():
                self._body(s.then, at)
                self._body(s.orelse, at)
            case _:
                pass
        return at

    def _inside(self, body: Body) -> bool:
        return any(b is self.buffer for s in statements(body) for b, _ in accesses(s))

    def _loads(self, s: Stmt) -> Iterator[Load]:
        found = (x for e in exprs_of(s) for x in subexprs(e))
        return (x for x in found if isinstance(x, Load) and x.buffer is self.buffer)

    def _accesses(self, indices: Sequence[Expr], at: Iterations) -> Accesses:
        total: Numbers = np.zeros(at.length, np.int64)
        for e, size in zip(indices, self._sizes(), strict=True):
            value = evaluated(e, at.values)
            if value is None or np.any(np.less(value, 0)) or np.any(np.greater_equal(value, size)):
                raise _UnknownError
            total = total * size + value
        return at.marks[0], total
