"""Drawn tables, and drawn windows of buffers for calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from gemel.fuzzing.expressions import Expressions
from gemel.fuzzing.options import SPAN, dtypes
from gemel.semantics import build
from gemel.semantics.dtypes import INDEX, DType
from gemel.semantics.ir import Buffer, Expr, Ref, Stmt, Var, View
from gemel.semantics.storage import from_values, numpy_dtype
from gemel.semantics.traverse import Copier


def table_of(values: list[Any], dtype: DType, shape: tuple[int, ...]) -> Any:
    """The contents of a constant table."""
    data = np.zeros(shape, numpy_dtype(dtype))
    from_values(values, dtype, data)
    data.flags.writeable = False
    return data


@dataclass
class Windows(Expressions):
    """Draws tables and windows."""

    lent: list[Buffer] = field(default_factory=list)

    if TYPE_CHECKING:

        def fresh(self, b: Buffer) -> list[Stmt]: ...

    def table(self) -> Buffer:
        """A constant table."""
        dtype = self.draw(dtypes(self.options, boundary=True))
        shape = self.pick((4,), (1,), (2, 3), ())
        values = [self.const(dtype).value for _ in range(int(np.prod(shape)))]
        sizes = tuple(build.index(n, SPAN) for n in shape)
        return Buffer("w", dtype, sizes, SPAN, table_of(values, dtype, shape))

    def sized(self, shape: tuple[Expr, ...], sizes: Mapping[Var, Expr]) -> tuple[Expr, ...]:
        """A callee's shape in the caller's terms."""
        return tuple(Copier(vars=dict(sizes)).expr(n) for n in shape)

    def window(self, p: Buffer, sizes: Mapping[Var, Expr]) -> tuple[list[Stmt], View]:
        """An argument for a tensor parameter, and what is needed before the call."""
        shape = self.sized(p.shape, sizes)
        fitting = [b for b in self._writable() if b not in self.lent and b.dtype == p.dtype and self._fits(shape, b)]
        if fitting and self.draw(st.booleans()):
            lent = self.draw(st.sampled_from(fitting))
            self.lent.append(lent)  # once: iterations of an unordered loop would conflict through two windows
            return [], self._part(lent, shape)
        b = Buffer("a", p.dtype, shape, SPAN)
        variables = tuple(Var("v", INDEX, SPAN) for _ in shape)
        return self.fresh(b), View(b, variables, tuple(Ref(v, SPAN) for v in variables), shape, SPAN)

    def _writable(self) -> list[Buffer]:
        return list(getattr(self, "written", ()))

    def _fits(self, shape: tuple[Expr, ...], b: Buffer) -> bool:
        if b.rank < len(shape) or not all(map(self.extent, b.shape)):
            return False
        return all(self.extent(n) <= self.extent(m) for n, m in zip(shape, b.shape[b.rank - len(shape) :], strict=True))

    def _part(self, b: Buffer, shape: tuple[Expr, ...]) -> View:
        """A window of the last axes, forwards or backwards, from a drawn offset; the first axes fixed."""
        variables = tuple(Var("v", INDEX, SPAN) for _ in shape)
        first = b.rank - len(shape)
        fixed = [build.index(self.draw(st.integers(0, self.extent(n) - 1)), SPAN) for n in b.shape[:first]]
        moving = [self._along(v, n, m) for v, n, m in zip(variables, shape, b.shape[first:], strict=True)]
        return View(b, variables, (*fixed, *moving), shape, SPAN)

    def _along(self, var: Var, size: Expr, whole: Expr) -> Expr:
        offset = self.draw(st.integers(0, self.extent(whole) - self.extent(size)))
        at = build.add(Ref(var, SPAN), build.index(offset, SPAN), SPAN)
        if self.draw(st.booleans()):
            return at
        last = build.index(self.extent(size) - 1 + offset, SPAN)
        return build.sub(last, Ref(var, SPAN), SPAN)
