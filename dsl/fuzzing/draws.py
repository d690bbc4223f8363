"""Small well-typed kernels of the whole language, and arguments for them, drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gemel.semantics import build, ops
from gemel.semantics.arguments import shape_of
from gemel.semantics.convert import from_python
from gemel.semantics.dtypes import (
    BOOL,
    F64,
    FLOATS,
    INDEX,
    BoolType,
    DType,
    FixedType,
    FloatType,
    IntType,
    Overflow,
    Rounding,
    width_of,
)
from gemel.semantics.errors import TypeCheckError
from gemel.semantics.ir import (
    Alloc,
    Assert,
    Assume,
    Buffer,
    Call,
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
    View,
    While,
)
from gemel.semantics.span import Span
from gemel.semantics.storage import from_values, numpy_dtype, value_range

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
    elementary: bool = False
    wide: bool = False
    symbolic: bool = False
    calls: bool = False
    contracts: bool = False


EVERYTHING = Options(True, True, False, True, True, True, True, True)
"""All that the CPU has."""
HARDWARE = Options(fixed=True, symbolic=True, calls=True, contracts=True)
"""All that hardware has so far: no floats."""


def dtypes(o: Options) -> st.SearchStrategy[DType]:
    """Element types."""
    ints = st.builds(IntType, st.sampled_from((*WIDTHS, 70, 130) if o.wide else WIDTHS), st.booleans())
    kinds: list[st.SearchStrategy[Any]] = [ints, ints, st.just(BOOL)]
    if o.floats:
        kinds.append(st.sampled_from(tuple(FLOATS.values())))
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
    dims: dict[Var, int] = field(default_factory=dict)

    def extent(self, size: Expr) -> int:
        """How many elements an axis has in this draw."""
        return self.dims[size.var] if isinstance(size, Ref) else int(size.value) if isinstance(size, Const) else 0

    def axis(self, size: int) -> Expr:
        """An axis of so many elements: a number, or a symbol that has this value in the draw."""
        if not self.options.symbolic or self.draw(st.booleans()):
            return build.index(size, SPAN)
        known = [d for d, n in self.dims.items() if n == size]
        if not known:
            known = [Var(f"n{size}", INDEX, SPAN)]  # its name says the size in this draw
            self.dims[known[0]] = size
        return Ref(known[0], SPAN)

    # ------------------------------------------------------------------------------------------------- expressions

    def const(self, dtype: DType) -> Const:
        if isinstance(dtype, BoolType):
            return Const(self.draw(st.booleans()), dtype, SPAN)
        if isinstance(dtype, FloatType):
            values = (0.0, -0.0, 1.0, -1.5, 0.1, 3e38, 1e-45, 448.0, 0.002, float("inf"), float("nan"))
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
        if width_of(e.dtype) == width_of(dtype) and self.draw(st.integers(0, 7)) == 0:
            return build.bitcast(e, dtype, SPAN)
        return build.narrow(e, dtype) if self.draw(st.booleans()) else build.convert(e, dtype)

    def any_expr(self, depth: int, like: DType) -> Expr:
        choices = ["const", "var", "load"] if depth <= 0 else ["var", "load", "op", "op", "op", "op", "select"]
        kind: str = self.draw(st.sampled_from(choices))
        match kind:
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
            case _:
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
        op = self.draw(st.sampled_from((*_FLOAT_OPS, *(ops.ELEMENTARY if self.options.elementary else ()))))
        others = [self.any_expr(depth - 1, a.dtype) for _ in range(op.arity - 1)]
        same = [build.apply(ops.CAST, b, span=SPAN, dtype=a.dtype) for b in others]
        return build.apply(op, a, *same, span=SPAN)

    def bounded(self, e: Expr) -> Expr:
        """The expression, or what is left of it at a width that stays small."""
        width = getattr(e.dtype, "width", 1)
        if width <= (400 if self.options.wide else MAX_WIDTH) or isinstance(e.dtype, FloatType):
            return e
        if isinstance(e.dtype, FixedType):
            return build.apply(ops.CAST, e, span=SPAN, dtype=FixedType(16, 4, True))
        return build.apply(ops.CAST, e, span=SPAN, dtype=IntType(MAX_WIDTH, True))

    def load(self) -> Expr:
        b = self.draw(st.sampled_from(self.buffers))
        return Load(b, tuple(map(self.index, b.shape)), SPAN)

    def index(self, axis: Expr) -> Expr:
        """An index of an axis: a loop variable that fits, a constant, or anything brought into range."""
        size = self.extent(axis)
        fitting = [v for v, top in self.loops if top <= size]
        kinds = ["const", "mod"] * 3 + ["loop"] * (6 * bool(fitting)) + ["any"] * (not self.options.total)
        kind = self.draw(st.sampled_from(kinds))
        if kind == "loop":
            return Ref(self.draw(st.sampled_from(fitting)), SPAN)
        if kind == "const":
            return build.index(self.draw(st.integers(0, size - 1)), SPAN)
        e = self.any_expr(1, IntType(8, True))
        whole = build.apply(ops.CAST, e, span=SPAN, dtype=INDEX)
        return build.apply(ops.MOD, whole, axis, span=SPAN) if kind == "mod" else whole

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, budget: int) -> tuple[Stmt, ...]:
        saved = list(self.vars), list(self.buffers), list(self.written), list(self.loops)
        made = [s for _ in range(self.draw(st.integers(1, budget))) for s in self.stmt()]
        self.vars, self.buffers, self.written, self.loops = saved
        return tuple(made)

    def stmt(self) -> list[Stmt]:
        self.size += 1
        simple = ["store", "store", "reduce", "let", "assert"]
        simple += ["contract"] * self.options.contracts + ["call"] * (self.options.calls and not self.depth)
        kind = self.draw(
            st.sampled_from(
                simple if self.depth >= 3 or self.size > 14 else [*simple, "for", "for", "if", "while", "alloc"]
            )
        )
        made: list[Stmt] = getattr(self, "make_" + kind)()
        return made

    def place(self) -> tuple[Buffer, tuple[Expr, ...]]:
        b = self.draw(st.sampled_from(self.written))
        return b, tuple(map(self.index, b.shape))

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
        check = self.draw(st.sampled_from((Check.ASSERT, Check.ENSURES, Check.REQUIRES)))
        return [Assert(check, always, "drawn", (), SPAN)]

    def make_contract(self) -> list[Stmt]:
        """A statement about all elements of a tensor, or one that can't be wrong."""
        tensors = [b for b in self.buffers if b.rank == 1 and not isinstance(b.dtype, FloatType)]
        if not tensors or self.options.total:
            return [Assume(build.boolean(True, SPAN), SPAN)]
        b, var = self.draw(st.sampled_from(tensors)), Var("j", INDEX, SPAN)
        element = Load(b, (Ref(var, SPAN),), SPAN)
        least = build.apply(ops.GE, element, self.const(b.dtype), span=SPAN)
        check = self.draw(st.sampled_from((Check.REQUIRES, Check.ASSERT)))
        inner = (Assert(check, least, "drawn for all", (), SPAN),)
        return [For(var, build.index(0), b.shape[0], build.index(1), LoopKind.SERIAL, inner, SPAN)]

    def make_call(self) -> list[Stmt]:
        """A call of another drawn kernel: windows of tensors, or new ones."""
        options = replace(self.options, calls=False, symbolic=False)
        callee = self.draw(kernels(options))
        made: list[Stmt] = []
        args: list[Expr | View] = []
        for p in callee.params:
            if isinstance(p, Var):
                args.append(self.expr(p.dtype, 1))
                continue
            b = Buffer("a", p.dtype, p.shape, SPAN)
            made += [Alloc(b, SPAN), *_filled(b, self)]
            own = tuple(Var("v", INDEX, SPAN) for _ in p.shape)
            args.append(View(b, own, tuple(Ref(v, SPAN) for v in own), p.shape, SPAN))
            self.buffers.append(b)
            self.written.append(b)
        results = tuple(Buffer("r", b.dtype, b.shape, SPAN) for b in callee.results)
        made += [Alloc(b, SPAN) for b in results]
        self.buffers += results
        self.written += results
        return [*made, Call(callee, (), tuple(args), results, SPAN)]

    def make_alloc(self) -> list[Stmt]:
        dtype = self.draw(dtypes(self.options))
        shape = tuple(map(self.axis, self.draw(st.lists(st.integers(1, 4), max_size=2))))
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
        if self.dims and self.draw(st.booleans()):
            dim, top = self.draw(st.sampled_from(list(self.dims.items())))
            hi = Ref(dim, SPAN)  # type: ignore[assignment]
        kind = self.draw(st.sampled_from(("plain", "plain", "down", "step", "triangle", "until")))
        if kind == "down":
            lo, hi, step = build.sub(hi, build.index(1)), build.index(-1), build.index(-1)  # type: ignore[assignment]
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


_FLOAT_OPS = (
    ops.ADD, ops.SUB, ops.MUL, ops.DIV, ops.MIN, ops.MAX, ops.NEG, ops.ABS, ops.SQRT, ops.FLOOR, ops.CEIL, ops.TRUNC,
    ops.RINT, ops.FMA,
)  # fmt: skip


@st.composite
def kernels(draw: Any, options: Options = Options()) -> Kernel:
    """A kernel with known sizes."""
    m = _Maker(draw, options)
    params: list[Buffer | Var] = []
    for n in range(draw(st.integers(1, 3))):
        shape = tuple(map(m.axis, draw(st.lists(st.integers(1, 4), max_size=2))))
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
    given = {e.var for p in params if isinstance(p, Buffer) for e in p.shape if isinstance(e, Ref)}
    m.dims = {d: n for d, n in m.dims.items() if d in given}
    body = m.body(5)
    return Kernel("fuzzed", tuple(m.dims), tuple(params), (result,), (Alloc(table, SPAN), *first, *body), SPAN)


def _filled(b: Buffer, m: _Maker) -> tuple[Stmt, ...]:
    variables = [Var("z", INDEX, SPAN) for _ in b.shape]
    made: tuple[Stmt, ...] = (Store(b, tuple(Ref(v, SPAN) for v in variables), m.const(b.dtype), SPAN),)
    for v, size in reversed(list(zip(variables, b.shape, strict=True))):
        made = (For(v, build.index(0), size, build.index(1), LoopKind.SERIAL, made, SPAN),)
    return made


def arguments_for(kernel: Kernel) -> st.SearchStrategy[list[Any]]:
    """Arguments, corner values among them."""
    sizes = {d: int(d.hint[1:]) for d in kernel.dims}
    return st.tuples(*(_argument(p, sizes) for p in kernel.params)).map(list)


def _argument(p: Buffer | Var, sizes: Mapping[Var, int]) -> st.SearchStrategy[Any]:
    values = _values(p.dtype)
    if isinstance(p, Var):
        return values
    shape = shape_of(p, dict(sizes))
    count = int(np.prod(shape))

    def filled(values: list[Any]) -> Any:
        out = np.zeros(shape, numpy_dtype(p.dtype))
        from_values([from_python(v, p.dtype) for v in values] if _is_float(p.dtype) else values, p.dtype, out)
        return out

    return st.lists(values, min_size=count, max_size=count).map(filled)


def _is_float(dtype: DType) -> bool:
    return isinstance(dtype, FloatType)


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
