"""Vector loops: all iterations at once, one in each lane.

The iterations of a vector loop are independent (a schedule or the verifier has seen to it), so each statement may be
done for all lanes before the next one. What doesn't depend on the loop's variable stays scalar; a load or store whose
place moves by one element a lane is one instruction; a condition that differs between lanes becomes a mask. A loop with
anything else (checks, carried values) is emitted as a scalar loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gemel.codegen import hints, llvmops
from gemel.codegen.dots import emit_dot
from gemel.codegen.emitter import Emitter
from gemel.codegen.forward import Row
from gemel.codegen.groups import Groups, expanded
from gemel.codegen.places import alignment, element_bytes, known_shape
from gemel.codegen.widen import WIDTH, NotWide, Widener, gather, own_functions, part, suffix, vector
from gemel.semantics import ops
from gemel.semantics.arguments import value_of
from gemel.semantics.dtypes import BOOL, INDEX, DType, is_integer, storage_bits
from gemel.semantics.ir import (
    Apply,
    Assume,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    LoopKind,
    Reduce,
    Ref,
    Stmt,
    Store,
    Var,
)
from gemel.semantics.ops import Op
from gemel.semantics.traverse import subexprs

if TYPE_CHECKING:
    from gemel.codegen.lower import Lowering

MOST_LANES = 64
STREAMED = 128
"""Bits of a piece that is stored past the caches."""


def lanes_of(s: For) -> int | None:
    """How many lanes a vector loop has; None where it is no such loop as can be done at once."""
    lo, hi, step = (value_of(e, {}) for e in (s.lo, s.hi, s.step))
    plain = lo is not None and hi is not None and step == 1 and s.until is None and not s.carry
    return hi - lo if plain and lo is not None and hi is not None and 1 < hi - lo <= MOST_LANES else None


def emit_vector_loop(low: Lowering, s: For) -> bool:
    """Emits a vector loop at once; False, with nothing emitted, where that can't be done."""
    count = lanes_of(s) if s.kind is LoopKind.VECTOR else None
    if count is None or low.lanes is not None or not low.may_widen:
        return False
    out = low.out
    lines, block, values = len(out.lines), out.block, dict(low.values)
    first = value_of(s.lo, {}) or 0
    low.lanes = Lanes(low, s.var, first, count, Widener(out, count))
    low.values[s.var] = str(first)
    low.lanes.groups.find(s.body)
    try:
        low.body(s.body)
    except NotWide:
        del out.lines[lines:]
        out.block, out.known, low.values = block, {}, values
        low.places.held.drop()
        return False
    finally:
        low.lanes = None
    low.vectors = True
    return True


@dataclass
class Lanes:
    """The vector loop under emission; `mask` has the lanes that run, None for all."""

    low: Lowering
    var: Var
    first: int
    count: int
    widener: Widener
    mask: str | None = None
    moving: set[Var] = field(default_factory=set)
    groups: Groups = field(init=False)
    _depends: dict[Expr, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = Groups(self)

    # -------------------------------------------------------------------------------------------------- questions

    def depends(self, e: Expr) -> bool:
        """Whether an expression may differ between lanes."""
        if e not in self._depends:
            match e:
                case Const():
                    found = False
                case Ref():
                    found = e.var is self.var or e.var in self.moving
                case Load():
                    found = any(map(self.depends, e.indices))
                case Apply():
                    found = any(map(self.depends, e.args))
            self._depends[e] = found
        return self._depends[e]

    def step(self, e: Expr) -> int | None:
        """By how much an index grows from lane to lane; None where that isn't known."""
        if not self.depends(e):
            return 0
        if isinstance(e, Ref):
            return 1 if e.var is self.var else None
        if not isinstance(e, Apply):
            return None
        if e.op is ops.CAST and e.dtype == INDEX and is_integer(e.args[0].dtype):
            return self.step(e.args[0]) if storage_bits(e.args[0].dtype) <= 64 else None
        steps = [self.step(a) for a in e.args]
        if None in steps:
            return None
        return _combined(e, [s or 0 for s in steps])

    def stride(self, b: Buffer, indices: tuple[Expr, ...]) -> int | None:
        """By how many elements a place moves from lane to lane."""
        shape, steps = known_shape(b), [self.step(i) for i in indices]
        if shape is None:
            shape = (0,) * b.rank if steps[:-1] == [0] * (b.rank - 1) else None
        if shape is None or None in steps:
            return None
        total = 0
        for size, step in zip(shape, steps, strict=True):
            total = total * size + (step or 0)
        return total

    # ------------------------------------------------------------------------------------------------ expressions

    def value(self, e: Expr) -> str:
        """An expression's value: a vector where it depends on the lane, a scalar otherwise."""
        if not self.depends(e):
            return self.low.expr(e)
        match e:
            case Ref():
                return self.numbers() if e.var is self.var else self.low.values[e.var]
            case Load():
                return self._load(e)
            case Apply():
                return (
                    self._choose(e) if e.op.lazy else self.op(e.op, e.dtype, [(self.value(a), a.dtype) for a in e.args])
                )
            case Const():
                return self.low.expr(e)

    def numbers(self) -> str:
        """The loop variable in each lane."""
        items = ", ".join(f"i64 {self.first + n}" for n in range(self.count))
        name = self.low.out.value(f"add {vector(self.count, 'i64')} <{items}>, zeroinitializer")
        self.widener.wide.add(name)
        return name

    def op(self, op: Op, dtype: DType, args: list[tuple[str, DType]]) -> str:
        """An op on scalars and vectors."""
        return self.scalar_text(lambda out: llvmops.emit(op, dtype, args, out))

    def scalar_text(self, emit: Callable[[Emitter], str]) -> str:
        """The vector form of what a function emits; gives the value that it gives."""
        out = self.low.out
        scratch = Emitter(half=out.half, scales=out.scales, _count=out._count)
        result = emit(scratch)
        out._count = scratch._count
        own = own_functions(scratch.declarations)
        self.widener.definitions.update(own)
        out.declarations |= scratch.declarations
        self.widener.lines(scratch.lines)
        return result

    def instruction(self, text: str) -> str:
        """The value of one scalar instruction, made a vector's."""
        return self.scalar_text(lambda out: out.value(text))

    def typed(self, e: Expr, dtype: DType) -> str:
        """The value of an expression at a type."""
        value = self.value(e)
        return value if e.dtype == dtype else self.op(ops.CAST, dtype, [(value, e.dtype)])

    def _choose(self, e: Apply) -> str:
        """`and`, `or`, `select`: both sides, each in the lanes that ask for it."""
        cond = self.value(e.args[0])
        sides = []
        for n, side in enumerate(e.args[1:]):
            wanted = cond if (n == 0) == (e.op is not ops.LOR) else self._not(cond)
            sides.append((self._under(wanted, side), side.dtype))
        return self.op(e.op, e.dtype, [(cond, BOOL), *sides])

    def _under(self, cond: str, e: Expr) -> str:
        if not self.low._branches(e):
            return self.value(e)
        if cond not in self.widener.wide or _loads_alike(self, e):
            raise NotWide("a choice that only some take")
        saved = self.mask
        self.mask = self._and(cond)
        value = self.value(e)
        self.mask = saved
        return value

    def _not(self, cond: str) -> str:
        return self.op(ops.LNOT, BOOL, [(cond, BOOL)])

    def _and(self, cond: str) -> str:
        whole = self.widener.operand("i1", cond)
        if whole not in self.widener.wide:
            whole = self.low.out.value(f"and {vector(self.count, 'i1')} {whole}, splat (i1 true)")
            self.widener.wide.add(whole)
        return whole if self.mask is None else self.op(ops.LAND, BOOL, [(self.mask, BOOL), (whole, BOOL)])

    # ----------------------------------------------------------------------------------------------------- memory

    def _load(self, e: Load) -> str:
        b, stride = e.buffer, self.stride(e.buffer, e.indices)
        if stride == 0:
            return self.low.places.load(b, self.low._indices(e.indices))
        kind = self._memory_type(b)
        raw = self.groups.load(e, kind) or ""
        if not raw and stride == 1:
            raw = self._held(e, kind) or self.load_row(kind, self.address(b, e.indices), alignment(b.dtype))
        elif not raw:
            pointers = self._pointers(b, e.indices, stride, kind)
            raw = self.low.out.value(gather(self.low.out, self.count, kind, pointers, self.mask, alignment(b.dtype)))
        self.widener.wide.add(raw)
        clean = self.low.places.at[b].clean
        return self.scalar_text(lambda out: llvmops.from_memory(out, raw, b.dtype, clean))

    def _held(self, e: Load, kind: str) -> str | None:
        """The vector where the block has just stored it."""
        first = self._first(e.buffer, e.indices)
        return None if first is None else self.low.places.held.get(e.buffer, first, self.count, kind)

    def _first(self, b: Buffer, indices: tuple[Expr, ...]) -> int | None:
        """Which element of a local array the first lane's is, where that is a number."""
        if b not in self.low.places.near or self.mask is not None:
            return None
        at = [value_of(i, {self.var: self.first}) for i in indices]
        flat = 0
        for i, size in zip(at, known_shape(b) or (), strict=True):
            if i is None:
                return None
            flat = flat * size + i
        return flat

    def _memory_type(self, b: Buffer) -> str:
        if element_bytes(b.dtype) > 8:
            raise NotWide("elements of more than 64 bits")
        return llvmops.memory_type(b.dtype)

    def address(self, b: Buffer, indices: tuple[Expr, ...]) -> str:
        """The address of the first lane's element, which need not be one where that lane doesn't run."""
        return self.low.places.address(b, self.low._indices(indices), inside=self.mask is None)

    def load_row(self, kind: str, address: str, align: int, width: int = 1) -> str:
        """Elements side by side, `width` for each lane."""
        out, n = self.low.out, self.count * width
        t = vector(n, kind)
        if self.mask is None:
            return out.value(f"load {t}, ptr {address}, align {align}")
        mask = expanded(self, self.mask, width) if width > 1 else self.mask
        m, name = vector(n, "i1"), f"llvm.masked.load.{suffix(n, kind)}.p0"
        out.declarations.add(f"declare {t} @{name}(ptr, i32, {m}, {t})")
        return out.value(f"call {t} @{name}(ptr {address}, i32 {align}, {m} {mask}, {t} zeroinitializer)")

    def store_row(self, kind: str, raw: str, address: str, align: int, width: int = 1) -> None:
        """Sets elements side by side, `width` for each lane."""
        out, n = self.low.out, self.count * width
        t, m = vector(n, kind), vector(n, "i1")
        if self.mask is None:
            out.do(f"store {t} {raw}, ptr {address}, align {align}")
            return
        mask = expanded(self, self.mask, width) if width > 1 else self.mask
        name = f"llvm.masked.store.{suffix(n, kind)}.p0"
        out.declarations.add(f"declare void @{name}({t}, ptr, i32, {m})")
        out.do(f"call void @{name}({t} {raw}, ptr {address}, i32 {align}, {m} {mask})")

    def _pointers(self, b: Buffer, indices: tuple[Expr, ...], stride: int | None, kind: str) -> str:
        """Each lane's address."""
        out, n = self.low.out, self.count
        if stride is not None:
            base, offsets = self.address(b, indices), [lane * stride for lane in range(n)]
            where = f"<{', '.join(f'i64 {o}' for o in offsets)}>"
            return out.value(f"getelementptr {kind}, ptr {base}, {vector(n, 'i64')} {where}")
        place = self.low.places.at[b]
        sizes = place.sizes or tuple(map(str, known_shape(b) or ()))
        flat = self.typed(indices[0], INDEX)
        for i, size in zip(indices[1:], sizes[1:], strict=True):
            row = self.instruction(f"mul nsw i64 {flat}, {size}")
            flat = self.instruction(f"add nsw i64 {row}, {self.typed(i, INDEX)}")
        whole = self.widener.operand("i64", flat)
        return out.value(f"getelementptr {kind}, ptr {place.pointer}, {vector(n, 'i64')} {whole}")

    def store(self, b: Buffer, indices: tuple[Expr, ...], value: str, s: Store | None = None) -> None:
        """Sets each lane's element; `s` is the statement, which may have neighbours."""
        kind, stride, out = self._memory_type(b), self.stride(b, indices), self.low.out
        if stride == 0:
            raise NotWide("lanes that store to one element")
        raw = self.widener.operand(kind, self.scalar_text(lambda o: llvmops.to_memory(o, value, b.dtype)))
        t, m, align = vector(self.count, kind), vector(self.count, "i1"), alignment(b.dtype)
        streams = s is not None and s.streams and storage_bits(b.dtype) * self.count % STREAMED == 0
        if stride == 1 and self.mask is None and streams:
            self.low.places.held.drop(b)
            self._stream(kind, raw, self.address(b, indices), align)
            return
        if stride == 1 and self.mask is None:
            self.store_row(kind, raw, self.address(b, indices), align)
            self.low.places.held.put(b, self._first(b, indices), Row(raw, kind, self.count))
            return
        self.low.places.held.drop(b)
        if stride == 1:
            self.store_row(kind, raw, self.address(b, indices), align)
        elif s is None or not self.groups.store(s, kind, raw):
            p, name = vector(self.count, "ptr"), f"llvm.masked.scatter.{suffix(self.count, kind)}.v{self.count}p0"
            out.declarations.add(f"declare void @{name}({t}, {p}, i32, {m})")
            pointers = self._pointers(b, indices, stride, kind)
            out.do(f"call void @{name}({t} {raw}, {p} {pointers}, i32 {align}, {m} {self.mask or 'splat (i1 true)'})")

    def _stream(self, kind: str, raw: str, address: str, align: int) -> None:
        """Stores a row past the caches where its address allows it: in pieces of which each array of NumPy is made."""
        out, t = self.low.out, vector(self.count, kind)
        far, near, after = out.name("far"), out.name("near"), out.name("after")
        place = out.value(f"ptrtoint ptr {address} to i64")
        rest = out.value(f"and i64 {place}, {STREAMED // 8 - 1}")
        out.branch(out.value(f"icmp eq i64 {rest}, 0"), far, near)
        self.low.start(far)
        count = STREAMED // WIDTH[kind]
        for first in range(0, self.count, count):
            piece = part(out, self.count, kind, raw, first, count)
            at = out.value(f"getelementptr {kind}, ptr {address}, i64 {first}")
            out.do(f"store {vector(count, kind)} {piece}, ptr {at}, align {STREAMED // 8}{hints.STREAMS}")
        out.jump(after)
        self.low.start(near)
        out.do(f"store {t} {raw}, ptr {address}, align {align}")
        out.jump(after)
        self.low.start(after)

    # ------------------------------------------------------------------------------------------------- statements

    def stmt(self, s: Stmt) -> bool:
        """Emits a statement of the loop; False where it is to be done as outside of a vector loop."""
        if emit_dot(self, s):
            return True
        match s:
            case Let():
                value = self.typed(s.value, s.var.dtype)
                self.low.values[s.var] = value
                if value in self.widener.wide:
                    self.moving.add(s.var)
            case Store():
                self.store(s.buffer, s.indices, self.typed(s.value, s.buffer.dtype), s)
            case Reduce():
                dtype = s.buffer.dtype
                old = self.value(Load(s.buffer, s.indices, s.span))
                new = self.op(s.op, dtype, [(old, dtype), (self.typed(s.value, dtype), dtype)])
                self.store(s.buffer, s.indices, new)
            case If() if self.depends(s.cond) and not s.merges:
                self._if(s)
            case If() if not s.merges:
                return False
            case For() if not s.carry and not any(map(self.depends, (s.lo, s.hi, s.step))) and s.until is None:
                return False
            case Assume():
                pass
            case _:
                raise NotWide("a statement without a vector form")
        return True

    def _if(self, s: If) -> None:
        cond = self.value(s.cond)
        sides = [(s.then, cond), (s.orelse, self._not(cond) if s.orelse else "")]
        for body, which in sides:
            if body:
                self._masked(body, which)

    def _masked(self, body: tuple[Stmt, ...], cond: str) -> None:
        """Statements for the lanes of a condition; skipped where no lane has it."""
        out, saved = self.low.out, self.mask
        mask = self._and(cond)
        m, some, after = vector(self.count, "i1"), out.name("some"), out.name("after")
        any_ = f"llvm.vector.reduce.or.v{self.count}i1"
        out.declarations.add(f"declare i1 @{any_}({m})")
        out.branch(out.value(f"call i1 @{any_}({m} {mask})"), some, after)
        self.low.start(some)
        self.mask = mask
        self.low.body(body)
        self.mask = saved
        out.jump(after)
        self.low.start(after)


def _combined(e: Apply, steps: list[int]) -> int | None:
    if e.op is ops.ADD:
        return steps[0] + steps[1]
    if e.op is ops.SUB:
        return steps[0] - steps[1]
    if e.op is ops.MUL:
        for step, other in ((steps[0], e.args[1]), (steps[1], e.args[0])):
            if isinstance(other, Const):
                return step * int(other.value)
    return None


def _loads_alike(lanes: Lanes, e: Expr) -> bool:
    """Whether an expression has a load that is the same in all lanes: it has no mask."""
    return any(isinstance(x, Load) and not all(map(lanes.depends, x.indices[-1:])) for x in subexprs(e))
