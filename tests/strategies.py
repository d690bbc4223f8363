"""Small well-typed kernels and arguments for them, drawn by Hypothesis: the differential fuzzer's fuel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gemel.semantics import build, ops
from gemel.semantics.dtypes import (
    BOOL,
    F32,
    F64,
    INDEX,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IntType,
    Overflow,
    Rounding,
)
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.ir import (
    Alloc,
    Assert,
    Buffer,
    Check,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.span import Span
from gemel.semantics.storage import numpy_dtype, value_range

SPAN = Span("<fuzz>", 1, 1, 1, 2)
MAX_WIDTH = 48
"""Expressions wider than this are cast down, so that kernels stay small in hardware."""

WIDTHS = (1, 3, 8, 13, 16, 32, 33)


@dataclass(frozen=True)
class Options:
    """What kernels may hold. `total`: no run fails."""

    floats: bool = False
    fixed: bool = False
    total: bool = False


def dtypes(o: Options) -> st.SearchStrategy[DType]:
    """Element types."""
    ints = st.builds(IntType, st.sampled_from(WIDTHS), st.booleans())
    kinds: list[st.SearchStrategy[Any]] = [ints, ints, st.just(BOOL)]
    if o.floats:
        kinds.append(st.sampled_from((F32, F64)))
    if o.fixed:
        modes = (st.sampled_from(list(Rounding)), st.sampled_from(list(Overflow)))
        kinds.append(st.builds(FixedType, st.sampled_from((8, 12, 16)), st.integers(-2, 10), st.booleans(), *modes))
    return st.one_of(kinds)


@dataclass
class _Maker:
    draw: Callable[[st.SearchStrategy[Any]], Any]
    options: Options
    vars: list[Var] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    written: list[Buffer] = field(default_factory=list)
    depth: int = 0
    size: int = 0
    loops: list[tuple[Var, int]] = field(default_factory=list)

    # ------------------------------------------------------------------------------------------------- expressions

    def const(self, dtype: DType) -> Const:
        if isinstance(dtype, BoolType):
            return Const(self.draw(st.booleans()), dtype, SPAN)
        if isinstance(dtype, FloatType):
            values = (0.0, -0.0, 1.0, -1.5, 0.1, 3e38, 1e-45, float("inf"), float("nan"))
            return build.convert(Const(self.draw(st.sampled_from(values)), F64, SPAN), dtype)  # type: ignore[return-value]
        low, high = value_range(dtype)
        corners = [v for v in (0, 1, -1, 2, low, high) if low <= v <= high]
        return Const(self.draw(st.one_of(st.sampled_from(corners), st.integers(low, high))), dtype, SPAN)

    def expr(self, dtype: DType, depth: int = 3) -> Expr:
        """An expression of exactly this type."""
        e = self.any_expr(depth, dtype)
        if isinstance(e.dtype, FloatType) != isinstance(dtype, FloatType):
            op = ops.CAST if not self.draw(st.booleans()) or isinstance(dtype, BoolType) else ops.SATURATE
            return build.apply(op, e, span=SPAN, dtype=dtype)
        return build.convert(e, dtype)

    def any_expr(self, depth: int, like: DType) -> Expr:
        choices = ["const", "var", "load"] if depth <= 0 else ["var", "load", "op", "op", "op", "op", "select"]
        match self.draw(st.sampled_from(choices)):
            case "var":
                known = [v for v in self.vars if v.dtype != INDEX] + [v for v, _ in self.loops]
                return Ref(self.draw(st.sampled_from(known)), SPAN) if known else self.const(like)
            case "load":
                return self.load() if self.buffers else self.const(like)
            case "select":
                a, b = (self.expr(like, depth - 1) for _ in range(2))
                return build.apply(ops.SELECT, self.condition(depth - 1), a, b, span=SPAN)
            case "op":
                return self.op(depth, like)
        return self.const(like)

    def condition(self, depth: int = 2) -> Expr:
        kind = self.draw(st.sampled_from(("compare", "compare", "bool", "land", "lor", "lnot")))
        if kind == "bool" or depth <= 0:
            return self.expr(BOOL, 0)
        if kind in ("land", "lor"):
            op = ops.LAND if kind == "land" else ops.LOR
            return build.apply(op, self.condition(depth - 1), self.condition(depth - 1), span=SPAN)
        if kind == "lnot":
            return build.negate(self.condition(depth - 1), SPAN)
        op = self.draw(st.sampled_from((ops.EQ, ops.NE, ops.LT, ops.LE, ops.GT, ops.GE)))
        a = self.any_expr(depth - 1, IntType(8, True))
        b = self.any_expr(depth - 1, a.dtype)
        if isinstance(a.dtype, FloatType) or isinstance(b.dtype, FloatType):
            b = build.apply(ops.CAST, b, span=SPAN, dtype=a.dtype) if a.dtype != b.dtype else b
        return build.apply(op, a, b, span=SPAN)

    def op(self, depth: int, like: DType) -> Expr:
        a = self.any_expr(depth - 1, like)
        if isinstance(a.dtype, FloatType):
            return self.float_op(a, depth)
        if isinstance(a.dtype, FixedType):
            op = self.draw(st.sampled_from((ops.ADD, ops.SUB, ops.MUL, ops.MIN, ops.MAX)))
        else:
            op = self.draw(st.sampled_from(_INT_OPS))
        try:
            return self.bounded(self.int_op(op, a, depth))
        except TypeCheckError:
            return a

    def int_op(self, op: ops.Op, a: Expr, depth: int) -> Expr:
        if op.arity == 1:
            return build.apply(op, a, span=SPAN)
        if op is ops.BITS:
            top = self.draw(st.integers(0, (1 if isinstance(a.dtype, BoolType) else a.dtype.width) - 1))
            low = self.draw(st.integers(0, top))
            literals = (build.literal(top, SPAN), build.literal(low, SPAN))
            return build.apply(op, a, *literals, span=SPAN)
        b = self.any_expr(depth - 1, a.dtype)
        if isinstance(b.dtype, FloatType):
            b = build.apply(ops.CAST, b, span=SPAN, dtype=IntType(8, True))
        if op in (ops.SHL, ops.SHR):
            b = build.apply(ops.AND, build.convert(b, IntType(16, True)), build.literal(7, SPAN), span=SPAN)
        if op in (ops.FLOORDIV, ops.MOD) and (self.options.total or self.draw(st.booleans())):
            b = build.apply(ops.OR, build.convert(b, IntType(9, True)), build.literal(1, SPAN), span=SPAN)
        return build.apply(op, a, b, span=SPAN)

    def float_op(self, a: Expr, depth: int) -> Expr:
        op = self.draw(
            st.sampled_from((ops.ADD, ops.SUB, ops.MUL, ops.DIV, ops.MIN, ops.MAX, ops.NEG, ops.SQRT, ops.FLOOR))
        )
        if op.arity == 1:
            return build.apply(op, a, span=SPAN)
        b = self.any_expr(depth - 1, a.dtype)
        return build.apply(op, a, build.apply(ops.CAST, b, span=SPAN, dtype=a.dtype), span=SPAN)

    def bounded(self, e: Expr) -> Expr:
        """The expression, or what is left of it at a width that stays small."""
        width = getattr(e.dtype, "width", 1)
        if width <= MAX_WIDTH or isinstance(e.dtype, FloatType):
            return e
        if isinstance(e.dtype, FixedType):
            return build.apply(ops.CAST, e, span=SPAN, dtype=FixedType(16, 4, True))
        return build.apply(ops.CAST, e, span=SPAN, dtype=IntType(MAX_WIDTH, True))

    def load(self) -> Expr:
        b = self.draw(st.sampled_from(self.buffers))
        return Load(b, tuple(self.index(int(s.value)) for s in b.shape if isinstance(s, Const)), SPAN)

    def index(self, size: int) -> Expr:
        """An index of an axis: a loop variable that fits, a constant, or anything brought into range."""
        fitting = [v for v, top in self.loops if top <= size]
        kinds = ["const", "mod"] * 3 + ["loop"] * (6 * bool(fitting)) + ["any"] * (not self.options.total)
        kind = self.draw(st.sampled_from(kinds))
        if kind == "loop":
            return Ref(self.draw(st.sampled_from(fitting)), SPAN)
        if kind == "const":
            return build.index(self.draw(st.integers(0, size - 1)), SPAN)
        e = self.any_expr(1, IntType(8, True))
        whole = build.apply(ops.CAST, e, span=SPAN, dtype=INDEX)
        return build.apply(ops.MOD, whole, build.index(size), span=SPAN) if kind == "mod" else whole

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, budget: int) -> tuple[Stmt, ...]:
        saved = list(self.vars), list(self.buffers), list(self.written), list(self.loops)
        made = [s for _ in range(self.draw(st.integers(1, budget))) for s in self.stmt()]
        self.vars, self.buffers, self.written, self.loops = saved
        return tuple(made)

    def stmt(self) -> list[Stmt]:
        self.size += 1
        simple = ["store", "store", "reduce", "let", "assert"]
        kind = self.draw(
            st.sampled_from(
                simple if self.depth >= 3 or self.size > 14 else [*simple, "for", "for", "if", "while", "alloc"]
            )
        )
        return getattr(self, "make_" + kind)()

    def place(self) -> tuple[Buffer, tuple[Expr, ...]]:
        b = self.draw(st.sampled_from(self.written))
        return b, tuple(self.index(int(s.value)) for s in b.shape if isinstance(s, Const))

    def make_store(self) -> list[Stmt]:
        b, indices = self.place()
        return [Store(b, indices, self.expr(b.dtype), SPAN)]

    def make_reduce(self) -> list[Stmt]:
        b, indices = self.place()
        legal = [op for op in ops.REDUCIBLE if ops.may_reduce(op, b.dtype)]
        if not legal:
            return self.make_store()
        return [Reduce(self.draw(st.sampled_from(legal)), b, indices, self.expr(b.dtype), SPAN)]

    def make_let(self) -> list[Stmt]:
        value = self.any_expr(2, self.draw(dtypes(self.options)))
        var = Var("x", value.dtype, SPAN)
        self.vars.append(var)
        return [Let(var, value, SPAN)]

    def make_assert(self) -> list[Stmt]:
        if self.options.total:
            return self.make_store()
        always = build.apply(ops.LOR, self.condition(1), self.condition(1), span=SPAN)
        return [Assert(Check.ASSERT, always, "drawn", (), SPAN)]

    def make_alloc(self) -> list[Stmt]:
        dtype = self.draw(dtypes(self.options))
        shape = tuple(build.index(n, SPAN) for n in self.draw(st.lists(st.integers(1, 4), max_size=2)))
        b = Buffer("t", dtype, shape, SPAN)
        indices = [Var("i", INDEX, SPAN) for _ in shape]
        fill: tuple[Stmt, ...] = (Store(b, tuple(Ref(v, SPAN) for v in indices), self.const(dtype), SPAN),)
        for v, n in reversed(list(zip(indices, shape, strict=True))):
            fill = (For(v, build.index(0), n, build.index(1), LoopKind.SERIAL, fill, SPAN),)
        self.buffers.append(b)
        self.written.append(b)
        return [Alloc(b, SPAN), *fill]

    def make_for(self) -> list[Stmt]:
        var = Var("i", INDEX, SPAN)
        top = self.draw(st.integers(0, 4))
        lo, hi, step = build.index(0), build.index(top), build.index(1)
        kind = self.draw(st.sampled_from(("plain", "plain", "down", "step", "triangle", "until")))
        if kind == "down":
            lo, hi, step = build.index(top - 1), build.index(-1), build.index(-1)
        elif kind == "step":
            step = build.index(2)
        bound: Expr = hi
        if kind == "triangle" and self.loops:
            bound = Ref(self.loops[-1][0], SPAN)
            top = self.loops[-1][1]
        until = self.condition(1) if kind == "until" else None
        self.depth += 1
        outer = list(self.loops)
        self.loops.append((var, max(top, 1)))
        inner = self.body(3)
        self.loops = outer
        self.depth -= 1
        return [For(var, lo, bound, step, LoopKind.SERIAL, inner, SPAN, until)]

    def make_while(self) -> list[Stmt]:
        count = Buffer("n", IntType(4, False), (), SPAN)
        start = self.draw(st.integers(0, 4))
        self.depth += 1
        self.buffers.append(count)
        more = build.apply(ops.GT, Load(count, (), SPAN), build.literal(0, SPAN, count.dtype), span=SPAN)
        extra = self.condition(1)
        inner = self.body(2)
        down = build.convert(
            build.apply(ops.SUB, Load(count, (), SPAN), build.literal(1, SPAN, count.dtype), span=SPAN), count.dtype
        )
        self.buffers.remove(count)
        self.depth -= 1
        cond = build.apply(ops.LAND, more, extra, span=SPAN)
        return [
            Alloc(count, SPAN),
            Store(count, (), Const(start, count.dtype, SPAN), SPAN),
            While(cond, (*inner, Store(count, (), down, SPAN)), SPAN),
        ]

    def make_if(self) -> list[Stmt]:
        cond = self.condition()
        self.depth += 1
        then = self.body(2)
        orelse = self.body(2) if self.draw(st.booleans()) else ()
        self.depth -= 1
        return [If(cond, then, orelse, SPAN)]


_INT_OPS = (
    ops.ADD, ops.SUB, ops.MUL, ops.FLOORDIV, ops.MOD, ops.NEG, ops.ABS, ops.MIN, ops.MAX, ops.AND, ops.OR, ops.XOR,
    ops.INVERT, ops.SHL, ops.SHR, ops.BITS, ops.CONCAT,
)  # fmt: skip


@st.composite
def kernels(draw: Any, options: Options = Options()) -> Kernel:
    """A kernel with known sizes."""
    m = _Maker(draw, options)
    params: list[Buffer | Var] = []
    for n in range(draw(st.integers(1, 3))):
        shape = tuple(build.index(size, SPAN) for size in draw(st.lists(st.integers(1, 4), max_size=2)))
        if shape:
            params.append(Buffer(f"p{n}", draw(dtypes(options)), shape, SPAN))
        else:
            params.append(Var(f"p{n}", draw(dtypes(options)), SPAN))
    result = Buffer(
        "r", draw(dtypes(options)), tuple(build.index(s, SPAN) for s in draw(st.sampled_from(((), (3,), (2, 2))))), SPAN
    )
    table = Buffer("w", IntType(8, True), (build.index(4, SPAN),), SPAN, np.array([3, -1, 100, 0], np.int8))
    m.vars = [p for p in params if isinstance(p, Var)]
    arrays = [p for p in params if isinstance(p, Buffer)]
    first = _filled(result, m)
    m.buffers = [*arrays, table, result]
    m.written = [*arrays, result]
    body = m.body(5)
    return Kernel("fuzzed", (), tuple(params), (result,), (Alloc(table, SPAN), *first, *body), SPAN)


def _filled(b: Buffer, m: _Maker) -> tuple[Stmt, ...]:
    variables = [Var("z", INDEX, SPAN) for _ in b.shape]
    made: tuple[Stmt, ...] = (Store(b, tuple(Ref(v, SPAN) for v in variables), m.const(b.dtype), SPAN),)
    for v, size in reversed(list(zip(variables, b.shape, strict=True))):
        made = (For(v, build.index(0), size, build.index(1), LoopKind.SERIAL, made, SPAN),)
    return made


def arguments_for(kernel: Kernel) -> st.SearchStrategy[list[Any]]:
    """Arguments, corner values among them."""
    return st.tuples(*map(_argument, kernel.params)).map(list)


def _argument(p: Buffer | Var) -> st.SearchStrategy[Any]:
    values = _values(p.dtype)
    if isinstance(p, Var):
        return values
    shape = tuple(int(s.value) for s in p.shape if isinstance(s, Const))
    count = int(np.prod(shape))
    return st.lists(values, min_size=count, max_size=count).map(
        lambda xs: np.array(xs, numpy_dtype(p.dtype)).reshape(shape)
    )


def _values(dtype: DType) -> st.SearchStrategy[Any]:
    if isinstance(dtype, BoolType):
        return st.booleans()
    if isinstance(dtype, FloatType):
        return st.one_of(
            st.sampled_from((0.0, -0.0, 1.0, -2.5, float("inf"), float("-inf"), float("nan"))),
            st.floats(width=32),
        )
    low, high = value_range(dtype)
    return st.one_of(st.sampled_from((low, high, max(low, 0), min(high, 1))), st.integers(low, high))
