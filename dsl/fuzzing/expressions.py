"""Drawn expressions: every op at every kind of type, well typed by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from gemel.fuzzing.options import SPAN, Options, dtypes
from gemel.semantics import build, ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import (
    BOOL,
    F64,
    FLOATS,
    INDEX,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IndexType,
    IntType,
    is_integer,
    width_of,
)
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.ir import Buffer, Const, Expr, Load, Ref, Var
from gemel.semantics.ops import Op
from gemel.semantics.storage import value_range

I8, I16 = IntType(8, True), IntType(16, True)
FLOAT_VALUES = (0.0, -0.0, 1.0, -1.5, 0.1, 3e38, 1e-45, 5e-324, 448.0, 0.002, float("inf"), float("nan"))

COMPARISONS = (ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE)
CHOICES = (ops.MIN, ops.MAX, ops.SELECT)
CONVERSIONS = (ops.CAST, ops.SATURATE, ops.BITCAST)
ARITHMETIC = (ops.ADD, ops.SUB, ops.MUL, ops.NEG, ops.ABS)
PATTERNS = (ops.AND, ops.OR, ops.XOR, ops.SHL, ops.SHR, ops.BITS, ops.CONCAT)
WHOLE = (*ARITHMETIC, ops.FLOORDIV, ops.MOD, *PATTERNS)
ANY = (*COMPARISONS, *CHOICES, *CONVERSIONS)
ROUNDED = (ops.DIV, ops.FMA, ops.FMA_FLUSH, ops.SQRT, ops.FLOOR, ops.CEIL, ops.TRUNC, ops.RINT)

LEGAL: dict[type[DType], tuple[Op, ...]] = {
    BoolType: (ops.LAND, ops.LOR, ops.LNOT, *WHOLE, *ANY),
    IntType: (*WHOLE, *WHOLE, ops.INVERT, ops.NARROW, *ANY),
    IndexType: (*WHOLE, *WHOLE, ops.INVERT, ops.NARROW, *ANY),
    FixedType: (*ARITHMETIC, ops.BITS, *ANY),
    FloatType: (*ARITHMETIC, *ROUNDED, *ANY),
}
"""The ops whose first operand (for a choice: the value) may be of a kind of type."""


@dataclass
class Expressions:
    """Draws expressions over the names in scope. `dims` has each symbol's size in this draw."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    options: Options
    vars: list[Var] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    loops: list[tuple[Var, int]] = field(default_factory=list)
    dims: dict[Var, int] = field(default_factory=dict)
    pins: dict[Buffer, tuple[int, Var]] = field(default_factory=dict)
    """Buffers whose elements belong to iterations of an unordered loop: an axis and the loop's variable."""
    favourites: list[Op] = field(default_factory=list)
    """Ops that this kernel has more of."""

    def pick(self, *choices: Any) -> Any:
        """One of the choices."""
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        """True now and then, never in the simplest draw."""
        return bool(self.draw(st.integers(0, one_in - 1)) == one_in - 1)

    def extent(self, size: Expr) -> int:
        """How many elements an axis has in this draw."""
        return value_of(size, self.dims) or 0

    # ------------------------------------------------------------------------------------------------------- leaves

    def const(self, dtype: DType) -> Const:
        """A literal, corner values among them."""
        if isinstance(dtype, BoolType):
            return Const(self.draw(st.booleans()), dtype, SPAN)
        if isinstance(dtype, FloatType):
            return build.convert(Const(self.pick(*FLOAT_VALUES), F64, SPAN), dtype)  # type: ignore[return-value]
        low, high = value_range(dtype)
        corners = [v for v in (0, 1, -1, 2, low, high) if low <= v <= high]
        return Const(self.draw(st.one_of(st.sampled_from(corners), st.integers(low, high))), dtype, SPAN)

    def _alike(self, known: list[Any], like: DType) -> list[Any]:
        """What is there, or now and then what of it has a type of this kind."""
        alike = [x for x in known if type(x.dtype) is type(like)]
        return alike if alike and self.draw(st.booleans()) else known

    def load(self, like: DType) -> Expr | None:
        """An element of a buffer; None where there is none to be had."""
        usable = self._alike([b for b in self.buffers if self.reachable(b)], like)
        if not usable:
            return None
        b = self.draw(st.sampled_from(usable))
        return Load(b, self.indices(b), SPAN)

    def reachable(self, b: Buffer) -> bool:
        """Whether an access need not fail: no axis is empty, or a loop runs over it."""
        return not self.options.total or all(self.extent(s) or self._fitting(s) for s in b.shape)

    def indices(self, b: Buffer) -> tuple[Expr, ...]:
        """A place in a buffer; in an unordered loop that stores to it, one of the iteration's own."""
        axis, var = self.pins.get(b, (None, None))
        return tuple(Ref(var, SPAN) if var and n == axis else self.index(size) for n, size in enumerate(b.shape))

    def _fitting(self, axis: Expr) -> list[Var]:
        size = self.extent(axis)
        return [v for v, top in self.loops if top <= size]

    def index(self, axis: Expr) -> Expr:
        """An index of an axis: a loop variable that fits, a constant, or anything brought into range."""
        size, fitting = self.extent(axis), self._fitting(axis)
        kinds = ["const", "mod"] * (3 * bool(size)) + ["loop"] * (6 * bool(fitting))
        kinds += ["any"] * (not self.options.total or not kinds)
        kind = self.draw(st.sampled_from(kinds))
        if kind == "loop":
            return Ref(self.draw(st.sampled_from(fitting)), SPAN)
        if kind == "const":
            return build.index(self.draw(st.integers(0, size - 1)), SPAN)
        whole = self.whole()
        return build.apply(ops.MOD, whole, axis, span=SPAN) if kind == "mod" else whole

    def whole(self) -> Expr:
        """Any index."""
        return build.apply(ops.CAST, self.any_expr(1, I8), span=SPAN, dtype=INDEX)

    # ------------------------------------------------------------------------------------------------- expressions

    def expr(self, dtype: DType, depth: int = 3) -> Expr:
        """An expression of exactly this type."""
        return self.fit(self.any_expr(depth, dtype), dtype)

    def fit(self, e: Expr, dtype: DType) -> Expr:
        """The expression brought to a type, by any way that there is."""
        if e.dtype == dtype:
            return e
        if width_of(e.dtype) == width_of(dtype) and self.chance(8):
            return build.bitcast(e, dtype, SPAN)
        if self.chance(4):
            return build.saturate(e, dtype, SPAN)
        return build.narrow(e, dtype) if self.draw(st.booleans()) else build.convert(e, dtype)

    def any_expr(self, depth: int, like: DType) -> Expr:
        """An expression of any type; of `like` where nothing better is known."""
        choices = ("const", "var", "load") if depth <= 0 else ("var", "load", "op", "op", "op", "op", "op")
        kind: str = self.pick(*choices)
        found: Expr | None = None
        if kind == "var":
            known = self._alike([*self.vars, *(v for v, _ in self.loops), *self.dims], like)
            found = Ref(self.draw(st.sampled_from(known)), SPAN) if known else None
        elif kind == "load":
            found = self.load(like)
        elif kind == "op":
            first = self.expr if self.draw(st.booleans()) else lambda t, d: self.any_expr(d, t)
            found = self.op(first(like, depth - 1), depth)
        return self.const(like) if found is None else found

    def condition(self, depth: int = 2) -> Expr:
        """A bool."""
        kind = self.pick("compare", "compare", "bool", "land", "lor", "lnot")
        if kind == "bool" or depth <= 0:
            return self.expr(BOOL, 0)
        if kind in ("land", "lor"):
            op = ops.LAND if kind == "land" else ops.LOR
            return build.apply(op, self.condition(depth - 1), self.condition(depth - 1), span=SPAN)
        if kind == "lnot":
            return build.negate(self.condition(depth - 1), SPAN)
        a = self.any_expr(depth - 1, I8)
        return build.apply(self.pick(*COMPARISONS), a, self.partner(a, depth), span=SPAN)

    def op(self, a: Expr, depth: int) -> Expr:
        """An op on `a`; `a` itself where the result would be too wide for any type."""
        legal = LEGAL[type(a.dtype)]
        if isinstance(a.dtype, FloatType) and self.options.elementary:
            legal = (*legal, *ops.ELEMENTARY, *ops.ELEMENTARY)
        liked = [op for op in self.favourites if op in legal]
        legal = tuple(liked) if liked and self.draw(st.booleans()) else legal
        try:
            return self.bounded(self.apply(self.draw(st.sampled_from(legal)), a, depth))
        except TypeCheckError:
            return a

    def apply(self, op: Op, a: Expr, depth: int) -> Expr:
        """`op` with `a` as its first operand and others that fit."""
        special = _SPECIAL.get(op)
        if special is not None:
            return special(self, a, op, depth)
        others = [self.partner(a, depth) for _ in range(op.arity - 1)]
        return build.apply(op, a, *others, span=SPAN)

    def partner(self, a: Expr, depth: int) -> Expr:
        """An operand that goes with `a`: of its type, or of another of its kind."""
        if isinstance(a.dtype, FloatType | BoolType):
            return self.expr(a.dtype, depth - 1)
        b = self.any_expr(depth - 1, a.dtype)
        if isinstance(b.dtype, FloatType) or (isinstance(b.dtype, FixedType) and not isinstance(a.dtype, FixedType)):
            return build.convert(b, I16)
        return b

    def bounded(self, e: Expr) -> Expr:
        """The expression, or what is left of it at a width that stays small."""
        if isinstance(e.dtype, BoolType | FloatType | IndexType) or e.dtype.width <= self.options.widest:
            return e
        small = FixedType(16, 4, True) if isinstance(e.dtype, FixedType) else IntType(self.options.widest, True)
        return build.convert(e, small)

    # ------------------------------------------------------------------------------------ ops with operands of theirs

    def select(self, a: Expr, op: Op, depth: int) -> Expr:
        """A choice between `a` and another."""
        return build.apply(op, self.condition(depth - 1), a, self.partner(a, depth), span=SPAN)

    def bits(self, a: Expr, op: Op, depth: int) -> Expr:
        """Some of the bits."""
        top = self.draw(st.integers(0, width_of(a.dtype) - 1))
        low = self.draw(st.integers(0, top))
        return build.apply(op, a, build.literal(top, SPAN), build.literal(low, SPAN), span=SPAN)

    def shift(self, a: Expr, op: Op, depth: int) -> Expr:
        """A shift by a few bits; to the right by a negative amount, too, which fails."""
        if op is ops.SHR and not self.options.total and self.chance(4):
            return build.apply(op, a, self.expr(IntType(5, True), depth - 1), span=SPAN)
        amount = build.apply(ops.AND, self.expr(I16, depth - 1), build.literal(7, SPAN), span=SPAN)
        return build.apply(op, a, amount, span=SPAN)

    def divide(self, a: Expr, op: Op, depth: int) -> Expr:
        """A division; by zero, too, where runs may fail."""
        b = self.partner(a, depth)
        if self.options.total or self.draw(st.booleans()):
            b = build.apply(ops.OR, b if is_integer(b.dtype) else self.fit(b, I8), build.literal(1, SPAN), span=SPAN)
        return build.apply(op, a, b, span=SPAN)

    def conversion(self, a: Expr, op: Op, depth: int) -> Expr:
        """A conversion to any type."""
        target = self.draw(dtypes(self.options))
        return build.apply(op, a, span=SPAN, dtype=target)

    def narrowing(self, a: Expr, op: Op, depth: int) -> Expr:
        """An integer as a store to a smaller type takes it."""
        return build.narrow(a, IntType(self.draw(st.integers(1, 64)), self.draw(st.booleans())))

    def pattern(self, a: Expr, op: Op, depth: int) -> Expr:
        """The bit pattern as another type of the width."""
        fitting = [t for t in _REINTERPRETED if width_of(t) == width_of(a.dtype) and self._has(t)]
        return build.bitcast(a, self.pick(IntType(width_of(a.dtype), self.draw(st.booleans())), *fitting), SPAN)

    def _has(self, t: DType) -> bool:
        return (self.options.floats or not isinstance(t, FloatType)) and (
            self.options.fixed or not isinstance(t, FixedType)
        )


_REINTERPRETED: tuple[DType, ...] = (
    BOOL,
    INDEX,
    *(FixedType(w, 4, signed) for w in (1, 8, 16, 32, 64) for signed in (False, True)),
    *FLOATS.values(),
)
_Special = Callable[[Expressions, Expr, Op, int], Expr]
_SPECIAL: dict[Op, _Special] = {
    ops.SELECT: Expressions.select,
    ops.BITS: Expressions.bits,
    ops.SHL: Expressions.shift,
    ops.SHR: Expressions.shift,
    ops.FLOORDIV: Expressions.divide,
    ops.MOD: Expressions.divide,
    ops.CAST: Expressions.conversion,
    ops.SATURATE: Expressions.conversion,
    ops.NARROW: Expressions.narrowing,
    ops.BITCAST: Expressions.pattern,
}
