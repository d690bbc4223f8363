"""Structural equality of kernels, up to names and spans."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from gemel.semantics.convert import same_float
from gemel.semantics.dtypes import BoolType, FixedType, FloatType, IndexType, IntType
from gemel.semantics.ir import Buffer, Const, Expr, Kernel, Var
from gemel.semantics.ops import Op
from gemel.semantics.storage import to_values

_TYPES = (BoolType, IntType, IndexType, FixedType, FloatType)

NOT_MEANT = ("span", "filled", "guarded", "scheduled")
"""What says nothing about what a program computes."""


def same(a: Kernel, b: Kernel) -> bool:
    """Whether two kernels are the same program."""
    return _Same().same(a, b)


def same_size(a: Expr, b: Expr) -> bool:
    """Whether two sizes are the same expression of the same variables."""
    return _SameNames().same(a, b)


@dataclass
class _Same:
    pairs: dict[Var | Buffer, Var | Buffer] = field(default_factory=dict)

    def same(self, a: Any, b: Any) -> bool:
        if isinstance(a, tuple) and isinstance(b, tuple):
            return len(a) == len(b) and all(map(self.same, a, b))
        if type(a) is not type(b):
            return False
        if isinstance(a, Var | Buffer):
            return self._name(a, b)
        if isinstance(a, Const):
            return bool(a.dtype == b.dtype) and _values(a.value, b.value)
        if isinstance(a, (Op, *_TYPES)) or not is_dataclass(a):
            return bool(a is b or a == b)
        return all(self.same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a) if f.name not in NOT_MEANT)

    def _name(self, a: Var | Buffer, b: Var | Buffer) -> bool:
        if a in self.pairs:
            return self.pairs[a] is b
        self.pairs[a] = b
        if a.dtype != b.dtype:
            return False
        if isinstance(a, Buffer) and isinstance(b, Buffer):
            return self.same(a.shape, b.shape) and a.banks == b.banks and _tables(a, b)
        return True


class _SameNames(_Same):
    def _name(self, a: Var | Buffer, b: Var | Buffer) -> bool:
        return a is b


def _tables(a: Buffer, b: Buffer) -> bool:
    if a.data is None or b.data is None:
        return a.data is b.data
    if a.data.shape != b.data.shape:
        return False
    return all(map(_values, to_values(a.data, a.dtype), to_values(b.data, b.dtype)))


def _values(x: object, y: object) -> bool:
    return same_float(x, y) if isinstance(x, float) and isinstance(y, float) else bool(x == y)
