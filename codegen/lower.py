"""A promoted kernel with known sizes becomes the text of an LLVM module.

The module has one function, `i64 @kernel(params..., results..., ptr error)`: arrays as pointers, scalars by value (a
bool as i8, more than 64 bits by their address). It gives 0, or the number (from 1) of the `Assert` that failed, whose
values are then in `error`, or -1 where memory for a local array ran out. Calls in several threads share nothing; one
after the other they may have the same memory for large local arrays, see `keeping`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gemel.codegen import hints, keeping, llvmops
from gemel.codegen.covered import Coverage
from gemel.codegen.emitter import Emitter, llvm_type
from gemel.codegen.outline import emit_parallel_loop
from gemel.codegen.params import fetch_wide, parameters, plain
from gemel.codegen.places import Places, element_bytes, known_shape
from gemel.codegen.setup import emit_setup
from gemel.codegen.transposed import emit_columns
from gemel.codegen.vectors import Lanes, emit_vector_loop
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import DType
from gemel.semantics.errors import CompileError
from gemel.semantics.ir import (
    Alloc,
    Apply,
    Assert,
    Assume,
    Call,
    Carry,
    Const,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
    While,
)
from gemel.semantics.traverse import Body, subexprs

AHEAD = 16
"""How many ops the operand of a choice may have to be computed whether it is chosen or not."""

OUT_OF_MEMORY = -1

ATTRIBUTES = 'attributes #0 = { nounwind "no-trapping-math"="true" "prefer-vector-width"="512" }'


@dataclass(frozen=True)
class Site:
    """An `Assert` in the code, and at which byte of the error record each of its values is."""

    check: Assert
    offsets: tuple[int, ...]
    size: int


@dataclass(frozen=True)
class Lowered:
    """The module's text; the asserts by number; the size of the error record; which results the code fills itself.

    `vectors` says that there are vector loops in it, `keeps` that it keeps memory until its `@release` is called,
    `begins` that `@setup` has to run before all else.
    """

    text: str
    sites: tuple[Site, ...]
    record: int
    filled: tuple[bool, ...]
    vectors: bool = False
    keeps: bool = False
    begins: bool = False


@dataclass
class Lowering:
    """The state of emission."""

    out: Emitter
    places: Places
    values: dict[Var, str] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    exits: list[tuple[int, str]] = field(default_factory=list)
    metadata: list[str] = field(default_factory=lambda: [*hints.METADATA])
    coverage: Coverage = field(default_factory=Coverage)
    loops: list[Var] = field(default_factory=list)
    lanes: Lanes | None = None
    may_widen: bool = True
    parallel: bool = False
    dots: frozenset[str] = frozenset()
    vectors: bool = False
    functions: list[str] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)  # the types of what no instruction gives yet
    _done: list[dict[Expr, str]] = field(default_factory=lambda: [{}])
    _heavy: dict[Expr, bool] = field(default_factory=dict)

    # -------------------------------------------------------------------------------------------------- expressions

    def start(self, label: str) -> None:
        """Begins a block in which no value of an expression is known."""
        self.out.start(label)
        self._done = [{}]

    def expr(self, e: Expr) -> str:
        """The LLVM value of an expression; within a statement each node is computed once."""
        match e:
            case Const():
                return llvmops.constant(e.value, e.dtype)
            case Ref():
                return self.values[e.var]
            case Load() | Apply():
                for scope in self._done:
                    if e in scope:
                        return scope[e]
                value = self._load(e) if isinstance(e, Load) else self._apply(e)
                self._done[-1][e] = value
                return value

    def typed(self, e: Expr, dtype: DType) -> str:
        """The value of an expression at a type."""
        return llvmops.emit(ops.CAST, dtype, [(self.expr(e), e.dtype)], self.out)

    def _load(self, e: Load) -> str:
        return self.places.load(e.buffer, self._indices(e.indices))

    def _indices(self, indices: tuple[Expr, ...]) -> list[str]:
        return [llvmops.as_index(self.out, (self.expr(i), i.dtype)) for i in indices]

    def _apply(self, e: Apply) -> str:
        if e.op.lazy and any(map(self._branches, e.args[1:])):
            return self._choose(e)
        return llvmops.emit(e.op, e.dtype, [(self.expr(a), a.dtype) for a in e.args], self.out)

    def _branches(self, e: Expr) -> bool:
        """Whether an operand is computed only when asked for: its loads may be out of range, or it takes long."""
        if e not in self._heavy:
            nodes = [x for x in subexprs(e) if not isinstance(x, Const | Ref)]
            self._heavy[e] = len(nodes) > AHEAD or any(map(_asks, nodes))
        return self._heavy[e]

    def _choose(self, e: Apply) -> str:
        """`and`, `or` or `select` by branches."""
        out, cond = self.out, self.expr(e.args[0])
        yes, no, join = out.name("yes"), out.name("no"), out.name("join")
        sides: dict[ops.Op, tuple[Expr | str, Expr | str]] = {
            ops.LAND: (e.args[1], "false"),
            ops.LOR: ("true", e.args[1]),
            ops.SELECT: (e.args[1], e.args[-1]),
        }
        out.branch(cond, yes, no)
        incoming = []
        for label, side in zip((yes, no), sides[e.op], strict=True):
            out.start(label)
            self._done.append({})
            value = side if isinstance(side, str) else self.typed(side, e.dtype)
            self._done.pop()
            incoming.append((value, out.block))
            out.jump(join)
        out.start(join)
        return out.value(_phi(e.dtype, incoming))

    # --------------------------------------------------------------------------------------------------- statements

    def body(self, body: Body) -> None:
        """Emits statements in order; arrays of unknown size that are made among them are freed after them."""
        slots, begin = [], 0
        for n, s in enumerate(body):
            self._done = [{}]
            if n < begin:
                continue
            begin = n + emit_columns(self, body[n:])
            if n < begin:
                continue
            if isinstance(s, Alloc):
                slots += self._alloc(s, body[n + 1 :])
            else:
                self.stmt(s)
        self._done = [{}]
        for slot in slots:
            self.places.free(slot)

    def stmt(self, s: Stmt) -> None:
        """Emits a statement."""
        if self.lanes is not None and self.lanes.stmt(s):
            return
        match s:
            case Let():
                self.values[s.var] = self.typed(s.value, s.var.dtype)
            case Store():
                self.places.store(s.buffer, self._indices(s.indices), self.typed(s.value, s.buffer.dtype))
            case Reduce():
                self._reduce(s)
            case For():
                if not emit_vector_loop(self, s) and not emit_parallel_loop(self, s):
                    self._for(s)
            case While():
                self._while(s)
            case If():
                self._if(s)
            case Assert():
                self._assert(s)
            case Assume():
                if not any(isinstance(e, Load) for e in subexprs(s.cond)):
                    self.out.call("void", "llvm.assume", ("i1", self.expr(s.cond)))
            case Call():
                raise CompileError("a call that was not inlined", code="C02", span=s.span)
            case Alloc():
                raise CompileError("a buffer outside of a block", code="C02", span=s.span)

    def _reduce(self, s: Reduce) -> None:
        dtype, indices = s.buffer.dtype, self._indices(s.indices)
        value = self.typed(s.value, dtype)
        old = self.places.load(s.buffer, indices)
        new = llvmops.emit(s.op, dtype, [(old, dtype), (value, dtype)], self.out)
        self.places.store(s.buffer, indices, new)

    def _alloc(self, s: Alloc, rest: Body) -> list[str]:
        b, shape = s.buffer, known_shape(s.buffer)
        if b.data is not None:
            self.places.table(b)
            return []
        zero = not s.filled and not self.coverage.covers(rest, b)
        if shape is not None:
            self.places.local(b, shape, zero)
            return []
        slot, size = self.places.local_of(b, self._indices(b.shape))
        pointer, full, made = self.places.at[b].pointer, self.out.name("full"), self.out.name("made")
        self.out.branch(self.out.value(f"icmp eq ptr {pointer}, null"), full, made)
        self.start(full)
        self._exit(OUT_OF_MEMORY)
        self.start(made)
        if zero:
            self.places.clear(pointer, size)
        return [slot]

    def _exit(self, status: int) -> None:
        self.exits.append((status, self.out.block))
        self.out.jump("leave")

    def _assert(self, s: Assert) -> None:
        out, number = self.out, len(self.sites) + 1
        fine, fail = out.name("fine"), out.name("fail")
        out.branch(self.expr(s.cond), fine, fail, hints.RARE)
        out.start(fail)
        offset, offsets = 0, []
        for v in s.values:
            raw = llvmops.to_memory(out, self.expr(v), v.dtype)
            where = out.value(f"getelementptr inbounds i8, ptr %error, i64 {offset}")
            out.do(f"store {llvmops.memory_type(v.dtype)} {raw}, ptr {where}, align 1")
            offsets.append(offset)
            offset += element_bytes(v.dtype)
        self.sites.append(Site(s, tuple(offsets), offset))
        self._exit(number)
        self.start(fine)

    def _if(self, s: If) -> None:
        out = self.out
        yes, no, join = out.name("then"), out.name("else"), out.name("join")
        out.branch(self.expr(s.cond), yes, no)
        ends = []
        for label, block, taken in ((yes, s.then, True), (no, s.orelse, False)):
            self.start(label)
            self.body(block)
            ends.append([self.typed(m.then if taken else m.orelse, m.var.dtype) for m in s.merges])
            ends[-1].append(out.block)
            out.jump(join)
        self.start(join)
        for n, m in enumerate(s.merges):
            self.values[m.var] = out.value(_phi(m.var.dtype, [(end[n], end[-1]) for end in ends]))

    # -------------------------------------------------------------------------------------------------------- loops

    def _enter(self, carry: tuple[Carry, ...]) -> tuple[str, list[str]]:
        """Begins a loop's head; gives the block before and the carried values' entry values."""
        inits = [self.typed(c.init, c.var.dtype) for c in carry]
        head, before = self.out.name("head"), self.out.block
        self.out.jump(head)
        self.start(head)
        for c in carry:
            self.values[c.var] = self.values[c.result] = f"%{self.out.name(plain(c.var.hint))}"
            self.params[self.values[c.var]] = llvm_type(c.var.dtype)
        return before, inits

    def _turn(self, head: str, s: For | While, before: str, inits: list[str]) -> list[str]:
        """Ends a loop's body; gives the carried values' phis."""
        nexts = [self.typed(c.next, c.var.dtype) for c in s.carry]
        self.out.do(f"br label %{head}{self._hints(s)}")
        rows = zip(s.carry, inits, nexts, strict=True)
        return [f"{self.values[c.var]} = {_phi(c.var.dtype, [(a, before), (b, self.out.block)])}" for c, a, b in rows]

    def _hints(self, s: For | While) -> str:
        """A counted loop ends; one that waits for a condition need not."""
        if isinstance(s, While):
            return ""
        own, around = len(self.metadata), self.loops[-1] if self.loops else None
        self.metadata.append(f"distinct !{{!{own}, {', '.join(f'!{n}' for n in hints.properties(s, around))}}}")
        return f", !llvm.loop !{own}"

    def _while(self, s: While) -> None:
        out = self.out
        before, inits = self._enter(s.carry)
        head, hole = out.block, out.hole()
        body, done = out.name("body"), out.name("done")
        out.branch(self.expr(s.cond), body, done)
        self.start(body)
        self.body(s.body)
        out.fill(hole, self._turn(head, s, before, inits))
        self.start(done)

    def _for(self, s: For) -> None:
        self.counted(s, *self._indices((s.lo, s.hi, s.step)))

    def counted(self, s: For, lo: str, hi: str, step: str) -> None:
        """Emits a loop over a range of LLVM values."""
        out = self.out
        trips = None if _never_wraps(s) else self._trips(lo, hi, step)
        before, inits = self._enter(s.carry)
        head, hole = out.block, out.hole()
        body, done = out.name("body"), out.name("done")
        index, turn = f"%{out.name(plain(s.var.hint))}", f"%{out.name('turn')}"
        self.values[s.var], self.params[index], self.params[turn] = index, "i64", "i64"
        if trips is None:
            more = out.value(f"icmp {'sgt' if step.startswith('-') else 'slt'} i64 {index}, {hi}")
        else:
            more = out.value(f"icmp ult i64 {turn}, {trips}")
        out.branch(more, body, done)
        self.start(body)
        if s.until is not None:
            go = out.name("go")
            out.branch(self.expr(s.until), done, go)
            self.start(go)
        self.loops.append(s.var)
        self._fetch(s)
        self.body(s.body)
        self.loops.pop()
        after = out.value(f"add {'nsw ' if trips is None else ''}i64 {index}, {step}")
        counted = None if trips is None else out.value(f"add nuw i64 {turn}, 1")
        phis = self._turn(head, s, before, inits)
        phis.append(f"{index} = phi i64 [ {lo}, %{before} ], [ {after}, %{out.block} ]")
        if counted is not None:
            phis.append(f"{turn} = phi i64 [ 0, %{before} ], [ {counted}, %{out.block} ]")
        out.fill(hole, phis)
        self.start(done)

    def _fetch(self, s: For) -> None:
        """Asks for what is needed later; where names are gone, not."""
        for e in s.ahead:
            names = {x.var for i in e.indices for x in subexprs(i) if isinstance(x, Ref)}
            if e.buffer in self.places.at and names <= self.values.keys():
                address = self.places.address(e.buffer, self._indices(e.indices), inside=False)
                self.out.call("void", "llvm.prefetch.p0", ("ptr", address), ("i32", "0"), ("i32", "3"), ("i32", "1"))

    def _trips(self, lo: str, hi: str, step: str) -> str:
        """How many iterations a loop has, unsigned: no bound is too near to the end of the type."""
        out = self.out
        up = out.value(f"icmp sgt i64 {step}, 0")
        first, last = out.select(up, "i64", lo, hi), out.select(up, "i64", hi, lo)
        some = out.value(f"icmp slt i64 {first}, {last}")
        distance = out.value(f"sub i64 {last}, {first}")
        size = out.call("i64", "llvm.abs.i64", ("i64", step), ("i1", "false"))
        divisor = out.call("i64", "llvm.umax.i64", ("i64", size), ("i64", "1"))
        rest = out.value(f"sub i64 {distance}, 1")
        whole = out.value(f"udiv i64 {rest}, {divisor}")
        return out.select(some, "i64", out.value(f"add i64 {whole}, 1"), "0")

    # ------------------------------------------------------------------------------------------------------ functions

    def nested(self) -> Lowering:
        """The state of emission of another function of the module, which sees the values and buffers of this one."""
        out = replace(self.out, lines=[], block="entry", known={})
        places = Places(out, dict(self.places.at), self.places.globals, self.places.kept)
        return Lowering(
            out,
            places,
            dict(self.values),
            metadata=self.metadata,
            may_widen=self.may_widen,
            parallel=True,
            dots=self.dots,
        )

    def closing(self) -> list[str]:
        """A function's lines after its first label: memory is made, the work is done, memory is freed."""
        places, begin = self.places, _begin(self)
        statuses = ", ".join(f"[ {status}, %{block} ]" for status, block in self.exits)
        frees = [f"  {end}" for _, end in places.owned]
        for n, slot in enumerate(places.slots):
            frees += [f"  %left{n} = load ptr, ptr {slot}", f"  call void @free(ptr %left{n})"]
        return [
            *(f"  {line}" for line in places.entry),
            *begin,
            *self.out.lines,
            "leave:",
            f"  %status = phi i64 {statuses}",
            *frees,
            *self._fence(),
            "  ret i64 %status",
            "}",
        ]

    def _fence(self) -> list[str]:
        """Stores that pass by the caches are there for other threads only after a fence."""
        return ["  fence seq_cst"] if any(hints.STREAMS in line for line in self.out.lines) else []


def _asks(e: Expr) -> bool:
    if isinstance(e, Load):
        return any(not isinstance(i, Const) for i in e.indices)
    return isinstance(e, Apply) and e.op in (ops.FLOORDIV, ops.MOD) and not isinstance(e.args[1], Const)


def _never_wraps(s: For) -> bool:
    """Whether the loop variable plus the step, tested before each iteration, is always an index."""
    step, hi = value_of(s.step, {}), value_of(s.hi, {})
    return step in (1, -1) or (bool(step) and hi is not None and -1 << 63 <= hi + (step or 0) < 1 << 63)


def _phi(dtype: DType, incoming: list[tuple[str, str]]) -> str:
    return f"phi {llvm_type(dtype)} {', '.join(f'[ {value}, %{block} ]' for value, block in incoming)}"


def lower(
    kernel: Kernel,
    half: bool = True,
    vectors: bool = True,
    alone: bool = False,
    scales: bool = False,
    dots: frozenset[str] = frozenset(),
) -> Lowered:
    """The LLVM module of a promoted kernel; `half` and `scales` as for `Emitter`, `dots` as in `dots`.

    Without `vectors` vector loops are scalar ones. What is to be `alone` has no runtime of ours around it: parallel
    loops run in their caller's thread, and no memory is kept between calls.

    Raises CompileError for what has to be lowered before.
    """
    out = Emitter(half=half, scales=scales)
    low = Lowering(out, Places(out, kept=None if alone else []), may_widen=vectors, parallel=alone, dots=dots)
    params = parameters(low, kernel)
    body = kernel.body if alone else emit_setup(low, kernel.body)
    filled = tuple(low.coverage.covers(body, b) for b in kernel.results)
    low.start("work")
    fetch_wide(low, kernel)
    low.body(body)
    low._exit(0)
    record = max((site.size for site in low.sites), default=0)
    return Lowered(
        _module(low, params),
        tuple(low.sites),
        record,
        filled,
        low.vectors,
        bool(low.places.kept),
        body is not kernel.body,
    )


def _module(low: Lowering, params: list[str]) -> str:
    declared = {*low.out.declarations}
    if low.places.kept or "@free(" in "".join([*low.functions, *low.closing()]):
        declared |= {"declare noalias ptr @malloc(i64)", "declare void @free(ptr)"}
        declared |= {"declare noalias ptr @aligned_alloc(i64, i64)"}
    return "\n".join(
        [
            *sorted(declared),
            *low.places.globals,
            *keeping.functions(low.places.kept or []),
            *low.functions,
            f"define i64 @kernel({', '.join([*params, 'ptr noalias noundef %error'])}) #0 {{",
            "entry:",
            *low.closing(),
            ATTRIBUTES,
            *(f"!{n} = {text}" for n, text in enumerate(low.metadata)),
            "",
        ]
    )


def _begin(low: Lowering) -> list[str]:
    """From the entry to the work, if there is memory."""
    if not low.places.owned:
        return ["  br label %work"]
    if (OUT_OF_MEMORY, "entry") not in low.exits:
        low.exits.append((OUT_OF_MEMORY, "entry"))
    tests = [f"  %null{n} = icmp eq ptr {name}, null" for n, (name, _) in enumerate(low.places.owned)]
    some = "%null0"
    for n in range(1, len(tests)):
        tests.append(f"  %any{n} = or i1 {some}, %null{n}")
        some = f"%any{n}"
    return [*tests, f"  br i1 {some}, label %leave, label %work"]
