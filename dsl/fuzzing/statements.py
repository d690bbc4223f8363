"""Drawn statements, and the names that they bring into scope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from gemel.fuzzing.expressions import Expressions
from gemel.fuzzing.options import HINTS, SPAN, dtypes
from gemel.fuzzing.windows import Windows
from gemel.semantics import build, ops
from gemel.semantics.dtypes import INDEX, BoolType, FloatType, IntType
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
from gemel.semantics.storage import value_range

MOST = {0: 1, 1: 5, 2: 4, 3: 3, 4: 2}
"""The longest axis by rank."""
RANKS = (0, 1, 1, 1, 2, 2, 3, 4)
MESSAGES = ("drawn", "{0} of {1}", 'a "quote" and \\', "two\nlines, ä")


def nest(b: Buffer, value: Expr) -> tuple[Stmt, ...]:
    """Loops that store a value to all elements."""
    variables = [Var("z", INDEX, SPAN) for _ in b.shape]
    made: tuple[Stmt, ...] = (Store(b, tuple(Ref(v, SPAN) for v in variables), value, SPAN),)
    for v, size in reversed(list(zip(variables, b.shape, strict=True))):
        made = (For(v, build.index(0), size, build.index(1), LoopKind.SERIAL, made, SPAN),)
    return made


@dataclass
class Statements(Windows, Expressions):
    """Draws statements. `callee` draws a kernel to call; `growing` lets new symbols for sizes appear."""

    callee: Callable[[], Kernel] | None = None
    written: list[Buffer] = field(default_factory=list)
    shared: dict[Buffer, ops.Op] = field(default_factory=dict)
    depth: int = 0
    size: int = 0
    calls: int = 0
    growing: bool = True

    def hint(self, usual: str) -> str:
        """A name; now and then one that is awkward somewhere."""
        return self.pick(usual, usual, usual, *HINTS)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------------------------- shapes

    def shape(self) -> tuple[Expr, ...]:
        """A shape of few elements."""
        rank = self.pick(*RANKS)
        return tuple(self.axis(self.draw(st.integers(1, MOST[rank]))) for _ in range(rank))

    def axis(self, size: int) -> Expr:
        """An axis: a number, a symbol that has this value (or 0) in the draw, or a symbol and one."""
        if not self.options.symbolic or self.draw(st.booleans()):
            return build.index(size, SPAN)
        if self.growing and self.chance(8):
            size = 0
        for known, more in ((size, 0), (size - 1, 1)):
            symbol = self._symbol(known, self.growing and not more)
            if symbol is not None and (not more or self.draw(st.booleans())):
                return build.add(Ref(symbol, SPAN), build.index(more, SPAN), SPAN)
        return build.index(size, SPAN)

    def _symbol(self, size: int, make: bool) -> Var | None:
        known = [d for d, n in self.dims.items() if n == size]
        if known and (not make or self.draw(st.booleans())):
            return known[0]
        if not make or known:
            return None
        made = Var(f"n{size}", INDEX, SPAN)  # its name says the size in this draw
        self.dims[made] = size
        return made

    def fill(self, b: Buffer) -> tuple[Stmt, ...]:
        """Sets all elements."""
        return nest(b, self.const(b.dtype))

    def fresh(self, b: Buffer) -> list[Stmt]:
        """A new buffer with all elements set."""
        made = [Alloc(b, SPAN), *self.fill(b)]
        self.buffers.append(b)
        self.written.append(b)
        return made

    # -------------------------------------------------------------------------------------------------- statements

    def body(self, budget: int) -> tuple[Stmt, ...]:
        """A block."""
        saved = list(self.vars), list(self.buffers), list(self.written), list(self.loops), dict(self.pins)
        self.depth += 1
        made = [s for _ in range(self.draw(st.integers(1, budget))) for s in self.stmt()]
        self.depth -= 1
        self.vars, self.buffers, self.written, self.loops, self.pins = saved
        return tuple(made)

    def stmt(self) -> list[Stmt]:
        """A statement and what it needs before it."""
        self.size += 1
        kinds = ["store", "store", "reduce", "let"]
        kinds += ["check"] * (not self.options.total) + ["contract"] * self.options.contracts
        if self.depth <= 3 and self.size <= self.options.budget:
            kinds += ["for", "for", "for", "if", "while", "alloc", "table"]
            kinds += ["unordered"] * self.options.parallel
        kinds += ["call"] * (self.callee is not None and self.calls < 2 and not self.pins)
        made: list[Stmt] = getattr(self, "make_" + self.draw(st.sampled_from(kinds)))()
        return made

    def place(self) -> tuple[Buffer, tuple[Expr, ...]] | None:
        """A place to store to; None where there is none."""
        usable = [b for b in self.written if self.reachable(b)]
        if not usable:
            return None
        b = self.draw(st.sampled_from(usable))
        return b, self.indices(b)

    def make_store(self) -> list[Stmt]:
        """A store."""
        place = self.place()
        return [Store(*place, self.expr(place[0].dtype), SPAN)] if place else self.make_let()

    def make_reduce(self) -> list[Stmt]:
        """An accumulation."""
        if self.shared and self.draw(st.booleans()):
            b, op = self.draw(st.sampled_from(list(self.shared.items())))
            return [Reduce(op, b, self.indices(b), self.expr(b.dtype), SPAN)]
        place = self.place()
        legal = _reductions(place[0]) if place else []
        if place is None or not legal:
            return self.make_store()
        return [Reduce(self.draw(st.sampled_from(legal)), *place, self.expr(place[0].dtype), SPAN)]

    def make_let(self) -> list[Stmt]:
        """A name for a value."""
        value = self.any_expr(3, self.draw(dtypes(self.options)))
        var = Var(self.hint("x"), value.dtype, SPAN)
        self.vars.append(var)
        return [Let(var, value, SPAN)]

    def make_check(self) -> list[Stmt]:
        """A check that mostly holds."""
        cond = build.apply(ops.LOR, self.condition(1), self.condition(1), span=SPAN)
        check = self.pick(Check.ASSERT, Check.ENSURES, Check.REQUIRES, Check.INVARIANT)
        values = tuple(self.any_expr(1, INDEX) for _ in range(self.draw(st.integers(0, 2))))
        return [Assert(check, cond, self.pick(*MESSAGES[: 1 + 3 * (len(values) == 2)]), values, SPAN)]

    def make_contract(self) -> list[Stmt]:
        """A statement about all elements of a tensor, or one that can't be wrong."""
        tensors = [b for b in self.buffers if b.rank == 1 and b not in self.pins and _ordered(b)]
        if not tensors:
            return [Assume(build.boolean(True, SPAN), SPAN)]
        b, var = self.draw(st.sampled_from(tensors)), Var("j", INDEX, SPAN)
        element = Load(b, (Ref(var, SPAN),), SPAN)
        if self.options.total or self.draw(st.booleans()):
            low = Const(value_range(b.dtype)[0], b.dtype, SPAN)
            made: Stmt = Assume(build.apply(ops.GE, element, low, span=SPAN), SPAN)
        else:
            least = build.apply(ops.GE, element, self.const(b.dtype), span=SPAN)
            made = Assert(self.pick(Check.REQUIRES, Check.ASSERT), least, "drawn for all", (), SPAN)
        return [For(var, build.index(0), b.shape[0], build.index(1), LoopKind.SERIAL, (made,), SPAN)]

    def make_alloc(self) -> list[Stmt]:
        """A local array or variable."""
        return self.fresh(Buffer(self.hint("t"), self.draw(dtypes(self.options)), self.shape(), SPAN))

    def make_table(self) -> list[Stmt]:
        """A constant table."""
        b = self.table()
        self.buffers.append(b)
        return [Alloc(b, SPAN)]

    # ------------------------------------------------------------------------------------------------------- control

    def make_if(self) -> list[Stmt]:
        """A branch."""
        cond = self.condition()
        then = self.body(2)
        return [If(cond, then, self.body(2) if self.draw(st.booleans()) else (), SPAN)]

    def make_while(self) -> list[Stmt]:
        """A loop of at most four iterations that may end earlier."""
        count = Buffer("n", IntType(4, False), (), SPAN)
        self.buffers.append(count)
        value = Load(count, (), SPAN)
        more = build.apply(ops.GT, value, build.literal(0, SPAN, count.dtype), span=SPAN)
        cond = build.apply(ops.LAND, more, self.condition(1), span=SPAN)
        inner = self.body(2)
        self.buffers.remove(count)
        less = build.apply(ops.SUB, value, build.literal(1, SPAN, count.dtype), span=SPAN)
        down = Store(count, (), build.convert(less, count.dtype), SPAN)
        start = Const(self.draw(st.integers(0, 4)), count.dtype, SPAN)
        return [Alloc(count, SPAN), Store(count, (), start, SPAN), While(cond, (*inner, down), SPAN)]

    def make_for(self) -> list[Stmt]:
        """A loop in order: up or down, by any step, with bounds known or not, to its end or not."""
        lo, hi, step, top = getattr(self, "range_" + self.pick(*_RANGES))()
        var = Var(self.hint("i"), INDEX, SPAN)
        outer = list(self.loops)
        self.loops.append((var, max(top, 1)))
        until = self.condition(1) if self.chance(6) else None
        inner = self.body(3)
        self.loops = outer
        kind = self.pick(LoopKind.SERIAL, LoopKind.SERIAL, LoopKind.UNROLL, LoopKind.PIPELINE)
        return [For(var, lo, hi, step, kind, inner, SPAN, until)]

    def range_plain(self) -> tuple[Expr, Expr, Expr, int]:
        """All indices of some axis."""
        axes = [s for b in self.buffers for s in b.shape]
        if axes and self.draw(st.booleans()):
            axis = self.draw(st.sampled_from(axes))
            return build.index(0), axis, build.index(1), self.extent(axis)
        top = self.draw(st.integers(0, 4))
        return build.index(0), build.index(top), build.index(1), top

    def range_down(self) -> tuple[Expr, Expr, Expr, int]:
        """The same, backwards."""
        lo, hi, _, top = self.range_plain()
        step = self.draw(st.integers(1, 2))
        return build.sub(hi, build.index(1), SPAN), build.sub(lo, build.index(1), SPAN), build.index(-step), top

    def range_steps(self) -> tuple[Expr, Expr, Expr, int]:
        """From anywhere, by larger steps."""
        _, hi, _, top = self.range_plain()
        return build.index(self.draw(st.integers(0, 2))), hi, build.index(self.draw(st.integers(2, 3))), top

    def range_triangle(self) -> tuple[Expr, Expr, Expr, int]:
        """Up to the variable of a loop around, or from there."""
        if not self.loops:
            return self.range_plain()
        var, top = self.draw(st.sampled_from(self.loops))
        if self.draw(st.booleans()):
            return build.index(0), Ref(var, SPAN), build.index(1), top
        return Ref(var, SPAN), build.index(top), build.index(1), top

    def range_found(self) -> tuple[Expr, Expr, Expr, int]:
        """Bounds, and perhaps a step, that depend on data."""
        four = build.index(5)
        lo, hi = (build.apply(ops.MOD, self.whole(), four, span=SPAN) for _ in range(2))
        if self.draw(st.booleans()):
            return build.index(0), hi, build.index(1), 4
        if self.options.total or self.draw(st.booleans()):
            return lo, hi, build.index(self.pick(1, -1)), 5
        step = build.sub(build.apply(ops.MOD, self.whole(), four, span=SPAN), build.index(2), SPAN)
        return lo, hi, step, 5

    def make_unordered(self) -> list[Stmt]:
        """A loop whose iterations touch elements of their own only."""
        places = [(b, n) for b in self.written if b not in self.pins for n in range(b.rank)]
        if self.pins or not places:
            return self.make_for()
        b, axis = self.draw(st.sampled_from(places))
        var, top = Var("p", INDEX, SPAN), self.extent(b.shape[axis])
        saved = list(self.written), list(self.loops), list(self.buffers)
        self.shared = self._accumulated(b)
        self.written, self.buffers = [b], [x for x in self.buffers if x not in self.shared]
        self.pins = {b: (axis, var)}
        self.loops.append((var, top))
        inner = self.body(3)
        self.written, self.loops, self.buffers = saved
        self.pins, self.shared = {}, {}
        kind = self.pick(LoopKind.PARALLEL, LoopKind.PARALLEL, LoopKind.VECTOR)
        return [For(var, build.index(0), b.shape[axis], build.index(1), kind, inner, SPAN)]

    def _accumulated(self, own: Buffer) -> dict[Buffer, ops.Op]:
        """A buffer, perhaps, that all iterations accumulate into by one op."""
        legal = [(b, op) for b in self.written if b is not own and self.reachable(b) for op in _reductions(b)]
        return dict([self.draw(st.sampled_from(legal))]) if legal and self.draw(st.booleans()) else {}

    # --------------------------------------------------------------------------------------------------------- calls

    def make_call(self) -> list[Stmt]:
        """A call of another drawn kernel: windows of tensors there are, or new ones."""
        if self.callee is None:
            return self.make_store()
        self.calls += 1
        self.lent = []
        k = self.callee()
        sizes = {d: self._size_for(int(d.hint[1:])) for d in k.dims}
        made: list[Stmt] = []
        args: list[Expr | View] = []
        for p in k.params:
            if isinstance(p, Var):
                args.append(self.expr(p.dtype, 1))
                continue
            before, view = self.window(p, sizes)
            made += before
            args.append(view)
        results = tuple(Buffer("r", b.dtype, self.sized(b.shape, sizes), SPAN) for b in k.results)
        for r in results:
            made += self.fresh(r)
        return [*made, Call(k, tuple(sizes.values()), tuple(args), results, SPAN)]

    def _size_for(self, size: int) -> Expr:
        symbol = self._symbol(size, False)
        return Ref(symbol, SPAN) if symbol is not None and self.draw(st.booleans()) else build.index(size, SPAN)

    def called(self) -> Statements:
        """What draws the body of a kernel that this one calls."""
        options = replace(self.options, calls=False, budget=self.options.budget // 2)
        return Statements(self.draw, options)


_RANGES = ("plain", "plain", "down", "steps", "triangle", "found")


def _reductions(b: Buffer) -> list[ops.Op]:
    return [op for op in ops.REDUCIBLE if ops.may_reduce(op, b.dtype)]


def _ordered(b: Buffer) -> bool:
    return not isinstance(b.dtype, FloatType | BoolType)
